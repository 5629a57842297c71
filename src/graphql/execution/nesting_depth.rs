//! How deep a document's brackets are nested, found out without recursion: the parser recurses with them.

/// Deeper than any tool's document; the parser takes about a thousand levels before its stack ends.
pub const MAX_NESTING: usize = 100;

/// Whether brackets are nested deeper than anyone needs. Those in strings and comments count for nothing, so it
/// has to know where these end (GraphQL specification, section 2.9.4).
pub fn is_too_deep(document: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = document;
    while let Some(place) = rest.find(['{', '[', '(', '}', ']', ')', '"', '#']) {
        let (token, behind) = rest[place..].split_at(1);
        rest = match token {
            "{" | "[" | "(" => {
                depth += 1;
                behind
            }
            "#" => behind.trim_start_matches(|char| char != '\n' && char != '\r'),
            "\"" => match behind.strip_prefix("\"\"") {
                // Without an end the parser takes the first two quotes for an empty string, and so goes on.
                Some(block) => behind_block_string(block).unwrap_or(&behind[1..]),
                None => behind_string(behind),
            },
            _ => {
                depth = depth.saturating_sub(1);
                behind
            }
        };
        if depth > MAX_NESTING {
            return true;
        }
    }
    false
}

/// What is behind a string; one that does not end in its line is for the parser to refuse.
fn behind_string(text: &str) -> &str {
    let mut chars = text.char_indices();
    while let Some((place, char)) = chars.next() {
        match char {
            '"' | '\n' | '\r' => return &text[place + 1..],
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    ""
}

fn behind_block_string(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(end) = text[from..].find("\"\"\"").map(|end| from + end) {
        from = end + 3;
        if !text[..end].ends_with('\\') {
            return Some(&text[from..]);
        }
    }
    None
}
