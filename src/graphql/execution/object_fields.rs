//! Finds fields that an object in a document has twice (GraphQL specification, section 5.6.3). async-graphql's
//! parser keeps only the last one.

use std::collections::HashSet;

use super::nesting_depth::{after_comment, after_string_literal};

/// An open bracket. The set contains the fields of an object.
enum Bracket<'a> {
    Object(HashSet<&'a str>),
    Other,
}

/// Returns the first field that an object literal has twice. The document must have valid syntax.
pub fn find_repeated(document: &str) -> Option<&str> {
    let mut brackets = Vec::new();
    // Number of open parentheses. Braces within parentheses are objects, not selection sets.
    let mut parentheses = 0_usize;
    let mut rest = document;
    while let Some(start) =
        rest.find(|char| matches!(char, '{' | '[' | '(' | '}' | ']' | ')' | '"' | '#' | '$') || is_name(char))
    {
        let token = &rest[start..];
        rest = match token.as_bytes().first()? {
            b'#' => after_comment(token),
            b'"' => after_string_literal(&token[1..]),
            // The type of a variable follows its name and a colon, too.
            b'$' => token[1..].trim_start_matches(is_name),
            b'(' => {
                parentheses += 1;
                brackets.push(Bracket::Other);
                &token[1..]
            }
            b'{' if parentheses > 0 => {
                brackets.push(Bracket::Object(HashSet::new()));
                &token[1..]
            }
            b'{' | b'[' => {
                brackets.push(Bracket::Other);
                &token[1..]
            }
            closing @ (b'}' | b']' | b')') => {
                parentheses = parentheses.saturating_sub(usize::from(*closing == b')'));
                brackets.pop();
                &token[1..]
            }
            _ => {
                let after = token.trim_start_matches(is_name);
                let name = &token[..token.len() - after.len()];
                if let Some(Bracket::Object(fields)) = brackets.last_mut()
                    && is_followed_by_colon(after)
                    && !fields.insert(name)
                {
                    return Some(name);
                }
                after
            }
        };
    }
    None
}

fn is_followed_by_colon(mut text: &str) -> bool {
    loop {
        text = text.trim_start_matches(|char: char| char.is_whitespace() || matches!(char, ',' | '\u{feff}'));
        if !text.starts_with('#') {
            return text.starts_with(':');
        }
        text = after_comment(text);
    }
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_are_found() {
        for (document, expected) in [
            ("{ a(b: { c: 1, c: 2 }) }", Some("c")),
            ("{ a(b: [{ c: 1 d: { e: 1 } c#:\n: 2 }]) }", Some("c")),
            ("query($a: T = { c: { d: 1 }, c: {} }) { a }", Some("c")),
            ("{ a(b: { c: 1, d: { c: 2 } }, e: { c: c }) { c: c c: c } c: d }", None),
            ("{ a(b: [{ c: 1 }, { c: 1 }], c: \"{ d: 1 d: 1\") { c(d: $c) } } # { c: 1 c: 1", None),
            ("query($c: T, $d: T) { a(b: { c: $c, d: $d, e: c }) }", None),
        ] {
            assert_eq!(find_repeated(document), expected, "{document}");
        }
    }
}
