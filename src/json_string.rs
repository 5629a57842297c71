//! Writes JSON strings and finds characters that need an escape.

/// Appends `text` as a quoted JSON string.
pub fn write(out: &mut Vec<u8>, text: &str) {
    if needs_no_escape(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec cannot fail.
        let _ = serde_json::to_writer(out, text);
    }
}

fn needs_no_escape(text: &str) -> bool {
    unescaped_prefix_len(text.as_bytes()) == text.len()
}

/// Returns the number of bytes before the first quote, backslash or control character (RFC 8259 section 7).
pub fn unescaped_prefix_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let mask = escape_mask(u64::from_le_bytes(*word));
        if mask != 0 {
            return index * size_of::<u64>() + mask.trailing_zeros() as usize / 8;
        }
    }
    let unescaped = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count();
    text.len() - rest.len() + unescaped
}

/// Tests eight bytes at a time. Returns a mask with the highest bit set in each byte that is a quote, a
/// backslash or a control character. Only the lowest set bit is reliable, because a borrow may also set bits
/// in higher bytes.
fn escape_mask(word: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, byte: u8| word.wrapping_sub(EACH * u64::from(byte)) & !word;
    let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (equal(b'"') | equal(b'\\') | below(word, b' ')) & (EACH << 7)
}

#[cfg(test)]
mod tests;
