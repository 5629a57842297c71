//! Nesting depth of a document's brackets, measured without recursion before the recursive parser runs.

/// Maximum depth. Tools generate far smaller depths, and the parser overflows its stack at a depth of about
/// 1000.
pub const MAX_NESTING: usize = 100;

/// Returns whether brackets are nested deeper than [`MAX_NESTING`]. Brackets in strings (GraphQL
/// specification, section 2.9.4) and comments do not count.
pub fn is_too_deep(document: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = document;
    while let Some(index) = rest.find(['{', '[', '(', '}', ']', ')', '"', '#']) {
        let (token, after) = rest[index..].split_at(1);
        rest = match token {
            "{" | "[" | "(" => {
                depth += 1;
                after
            }
            "#" => after_comment(after),
            "\"" => after_string_literal(after),
            _ => {
                depth = depth.saturating_sub(1);
                after
            }
        };
        if depth > MAX_NESTING {
            return true;
        }
    }
    false
}

/// Returns the text after a comment. `text` starts at or directly after the `#`.
pub fn after_comment(text: &str) -> &str {
    text.trim_start_matches(|char| char != '\n' && char != '\r')
}

/// Returns the text after a string or block string. `text` starts after its first quote.
pub fn after_string_literal(text: &str) -> &str {
    match text.strip_prefix("\"\"") {
        // The parser reads the first two quotes of an unterminated block string as an empty string.
        Some(block) => after_block_string(block).unwrap_or(&text[1..]),
        None => after_string(text),
    }
}

/// Returns the text after a string literal. The parser rejects literals that don't end on their line.
fn after_string(text: &str) -> &str {
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' | '\n' | '\r' => return &text[index + 1..],
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    ""
}

/// Returns the text after a block string, or `None` if the string is unterminated.
fn after_block_string(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(end) = text[from..].find("\"\"\"").map(|end| from + end) {
        from = end + 3;
        if !text[..end].ends_with('\\') {
            return Some(&text[from..]);
        }
    }
    None
}
