//! Strings as JSON has them.

/// Appends a string in its quotes.
pub fn write(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec can't fail.
        let _ = serde_json::to_writer(out, text);
    }
}

/// Whether a string is spelt as it is, without escapes (RFC 8259 section 7). Not by `any`, which looks at one byte at a time.
pub fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\' | ..b' '))
}
