//! The UTF-8 byte order mark, which some programs write at the start of a file.

use std::io::{self, BufRead};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Skips the byte order mark, if there is one at the current position.
pub fn skip(source: &mut impl BufRead) -> io::Result<()> {
    if source.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        source.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}
