//! Text of a request body, whose memory is taken from the budget of all bodies.

use std::{ops::Deref, string::FromUtf8Error};

use super::{
    limits::budget::{Budget, Reservation},
    problem::Problem,
};

/// Maximum number of bytes allocated before they arrive. The client may declare more than it sends.
const MAX_PREALLOCATED_BYTES: usize = 128 << 10;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Bytes of a body that is being received.
pub struct BodyBuffer {
    bytes: Vec<u8>,
    reserved: Reservation,
    /// Number of bytes expected: the declared length if there is one, otherwise the maximum.
    expected: usize,
}

impl BodyBuffer {
    /// Creates an empty buffer for a body of `expected` bytes.
    pub fn new(budget: &Budget, expected: usize) -> Self {
        Self { bytes: Vec::new(), reserved: budget.reservation(), expected }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// Returns a 503 problem if the budget has too few bytes left.
    pub fn append(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let needed = self.bytes.len() + chunk.len();
        if needed > self.bytes.capacity() {
            // The capacity doubles, as that of a growing vector, but does not exceed the expected size.
            let grown = (self.bytes.capacity() * 2).max(MAX_PREALLOCATED_BYTES);
            let capacity = grown.min(self.expected).max(needed);
            self.reserved.grow((capacity - self.bytes.capacity()) as u64)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Converts the bytes to text, without a byte order mark. The text holds the permit.
    ///
    /// # Errors
    /// Returns an error if the bytes are not valid UTF-8.
    pub fn into_text(self, permit: Reservation) -> Result<BodyText, FromUtf8Error> {
        let mut text = String::from_utf8(self.bytes)?;
        // RFC 8259 section 8.1 lets a parser ignore the mark, which some programs write.
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        Ok(BodyText { text, _reserved: self.reserved, _permit: permit })
    }
}

/// Text of a body. It holds the bytes that it has taken from the budget, and the permit of its request.
pub struct BodyText {
    text: String,
    _reserved: Reservation,
    _permit: Reservation,
}

impl Deref for BodyText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}
