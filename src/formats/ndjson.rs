//! Newline-delimited JSON: one object per line.

use std::io::{self, BufRead, Read};

use super::{byte_order_mark, json, line_error};
use crate::domain::{Draft, Location, NewProducts};

/// Maximum length of a line in bytes, far above that of any valid product. It limits memory use.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Reader of NDJSON, one line at a time, with a buffer of limited size.
pub struct NdjsonReader<R> {
    source: R,
    /// Bytes of the current line.
    line: Vec<u8>,
    /// Number of the current line, from 1; 0 before the first line.
    line_number: u64,
}

impl<R: BufRead> NdjsonReader<R> {
    pub fn new(source: R) -> Self {
        Self { source, line: Vec::new(), line_number: 0 }
    }

    /// Adds the product or the error of the next line to `products`. Returns false at the end of the file and
    /// after a line that is too long, because no further line can be read.
    pub fn read(&mut self, products: &mut NewProducts) -> io::Result<bool> {
        if self.line_number == 0 {
            byte_order_mark::skip(&mut self.source)?;
        }
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        if self.source.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.line_number += 1;
        if self.line.len() > MAX_LINE_BYTES {
            products
                .push_error(line_error(self.line_number, format!("is longer than {MAX_LINE_BYTES} bytes")));
            return Ok(false);
        }
        let Ok(text) = std::str::from_utf8(&self.line) else {
            products.push_error(line_error(self.line_number, "is not UTF-8"));
            return Ok(true);
        };
        if text.trim_ascii().is_empty() {
            return Ok(true);
        }
        match json::parse_object::<Draft>(text) {
            Ok(Some(draft)) => products.push_at(Location::Line(self.line_number), &draft),
            Ok(None) => products.push_error(line_error(self.line_number, "must be an object")),
            Err(error) => products.push_error(line_error(self.line_number, error.without_line())),
        }
        Ok(true)
    }
}
