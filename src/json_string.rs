//! Strings as JSON has them.

/// Appends a string in its quotes.
pub fn write(out: &mut Vec<u8>, text: &str) {
    if needs_no_escape(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec can't fail.
        let _ = serde_json::to_writer(out, text);
    }
}

fn needs_no_escape(text: &str) -> bool {
    unescaped_prefix_len(text.as_bytes()) == text.len()
}

/// How many bytes of a string are spelt as they are, without escapes, before one that is not, or a quote (RFC 8259 section 7).
pub fn unescaped_prefix_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    for (place, word) in words.iter().enumerate() {
        let found = escape_mask(u64::from_le_bytes(*word));
        if found != 0 {
            return place * size_of::<u64>() + found.trailing_zeros() as usize / 8;
        }
    }
    let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count();
    text.len() - rest.len() + plain
}

/// Eight bytes at a time: the highest bit of each that is a quote, a backslash or below a space. Only the lowest is
/// sure: its borrow may mark bytes behind it, too.
fn escape_mask(word: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, byte: u8| word.wrapping_sub(EACH * u64::from(byte)) & !word;
    let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (equal(b'"') | equal(b'\\') | below(word, b' ')) & (EACH << 7)
}
