//! Newline-delimited JSON: one object a line.

use std::io::{self, BufRead, Read};

use super::{bad_line, json};
use crate::catalog::{Draft, Location, NewProducts};

/// Far more than any product takes.
const MOST_BYTES: usize = 1 << 20;

/// Reads lines with a fixed amount of memory.
pub struct Ndjson<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Ndjson<R> {
    pub fn new(source: R) -> Self {
        Self { source, line: Vec::new(), number: 0 }
    }

    /// Reads the next product; false at the end of the file.
    pub fn read(&mut self, products: &mut NewProducts) -> io::Result<bool> {
        if self.number == 0 {
            super::product_batches::skip_byte_order_mark(&mut self.source)?;
        }
        self.line.clear();
        let most = MOST_BYTES as u64 + 1;
        if self.source.by_ref().take(most).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.line.len() > MOST_BYTES {
            products.refuse(bad_line(self.number, format!("is longer than {MOST_BYTES} bytes")));
            return Ok(false);
        }
        let Ok(text) = std::str::from_utf8(&self.line) else {
            products.refuse(bad_line(self.number, "is not UTF-8"));
            return Ok(true);
        };
        if text.trim_ascii().is_empty() {
            return Ok(true);
        }
        match json::parse_object::<Draft>(text) {
            Ok(Some(draft)) => products.push_at(Location::Line(self.number), &draft),
            Ok(None) => products.refuse(bad_line(self.number, "must be an object")),
            Err(error) => products.refuse(bad_line(self.number, error.without_line())),
        }
        Ok(true)
    }
}
