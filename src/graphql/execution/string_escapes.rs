//! Unicode escapes that async-graphql's parser rejects: surrogate pairs, such as `\ud83d\ude00`, and code points
//! in braces, such as `\u{1F600}` (GraphQL specification, section 2.9.4, of October 2021 and of the draft).

use std::{borrow::Cow, fmt::Write};

use super::nesting_depth::{after_comment, after_string_literal};

/// Replaces such escapes by their characters. Invalid escapes stay, so that the parser rejects them. Spaces
/// after a literal keep the columns of the rest of its line.
pub fn replace_escapes(document: &str) -> Cow<'_, str> {
    if !document.contains("\\u") {
        return document.into();
    }
    let mut replaced = String::with_capacity(document.len());
    let mut rest = document;
    while let Some(start) = rest.find(['"', '#']) {
        let (before, token) = rest.split_at(start);
        replaced.push_str(before);
        rest = if token.starts_with('#') { after_comment(token) } else { after_string_literal(&token[1..]) };
        let token = &token[..token.len() - rest.len()];
        // Comments and block strings have no escapes.
        if token.starts_with('#') || token.starts_with("\"\"\"") {
            replaced.push_str(token);
        } else {
            replace_in_literal(token, &mut replaced);
        }
    }
    replaced.push_str(rest);
    replaced.into()
}

fn replace_in_literal(literal: &str, replaced: &mut String) {
    let (mut rest, mut removed) = (literal, 0_usize);
    while let Some(start) = rest.find('\\') {
        replaced.push_str(&rest[..start]);
        let escape = &rest[start..];
        if let Some((char, after)) = character(escape) {
            let length = replaced.len();
            push(char, replaced);
            removed += escape.len() - after.len();
            removed = removed.saturating_sub(replaced[length..].chars().count());
            rest = after;
        } else {
            // The next character may be a quote or a backslash.
            let end = escape.char_indices().nth(2).map_or(escape.len(), |(index, _)| index);
            replaced.push_str(&escape[..end]);
            rest = &escape[end..];
        }
    }
    replaced.push_str(rest);
    replaced.extend(std::iter::repeat_n(' ', removed));
}

/// Returns the character of a surrogate pair or of a code point in braces, and the text after the escape.
/// Returns `None` for other escapes.
fn character(escape: &str) -> Option<(char, &str)> {
    let digits = escape.strip_prefix("\\u")?;
    if let Some(braced) = digits.strip_prefix('{') {
        let (digits, after) = braced.split_once('}')?;
        return Some((char::from_u32(hexadecimal(digits)?)?, after));
    }
    let (high, after) = code_unit(digits)?;
    let (low, after) = code_unit(after.strip_prefix("\\u")?)?;
    let mut pair = char::decode_utf16([high, low]);
    // Only a surrogate pair is one character.
    match (pair.next()?, pair.next()) {
        (Ok(char), None) => Some((char, after)),
        _ => None,
    }
}

fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.split_at_checked(4)?;
    Some((hexadecimal(digits)?.try_into().ok()?, after))
}

/// Returns the value of hexadecimal digits without a sign.
fn hexadecimal(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

fn push(char: char, text: &mut String) {
    if matches!(char, '"' | '\\') || char.is_control() {
        // Writing to a String can't fail.
        let _ = write!(text, "\\u{:04X}", u32::from(char));
    } else {
        text.push(char);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_characters() {
        for (document, expected) in [
            (r#"{ a(b: "\ud83d\ude00") c }"#, r#"{ a(b: "😀"           ) c }"#),
            (r#""x\u{1F600}\u{00000041}\u0042""#, r#""x😀A\u0042"                   "#),
            (r#""\u{22}\u{5C}\u{a}""#, r#""\u0022\u005C\u000A""#),
            // These are invalid, or no escapes.
            (r#""\ud83d" "\ude00\ud83d" "\ud83d\u0041""#, r#""\ud83d" "\ude00\ud83d" "\ud83d\u0041""#),
            (
                r#""\u{D83D}\u{DE00} \u{} \u{110000} \u{+41} \u{41""#,
                r#""\u{D83D}\u{DE00} \u{} \u{110000} \u{+41} \u{41""#,
            ),
            (r#""\\u{41}" """\u{41}""" #\u{41}"#, r#""\\u{41}" """\u{41}""" #\u{41}"#),
            (r#""\uD83D\u{DE00}" "\u00e9" "\ud83dé""#, r#""\uD83D\u{DE00}" "\u00e9" "\ud83dé""#),
        ] {
            assert_eq!(replace_escapes(document), expected);
        }
    }
}
