//! Newline-delimited JSON: one object per line.

use std::io::{self, BufRead};

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
    /// Whether the previous line ended with CR. A following LF belongs to the same line break.
    after_cr: bool,
}

impl<R: BufRead> NdjsonReader<R> {
    pub fn new(source: R) -> Self {
        Self { source, line: Vec::new(), line_number: 0, after_cr: false }
    }

    /// Adds the product or the error of the next line to `products`. Returns false at the end of the file and
    /// after a line that is too long, because no further line can be read.
    pub fn read(&mut self, products: &mut NewProducts) -> io::Result<bool> {
        if self.line_number == 0 {
            byte_order_mark::skip(&mut self.source)?;
        }
        if !self.read_line()? {
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

    /// Reads the next line without its line break: LF, CRLF or CR. Stops after [`MAX_LINE_BYTES`] and a part of the
    /// read buffer. Returns false at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        loop {
            let input = self.source.fill_buf()?;
            if input.is_empty() {
                return Ok(!self.line.is_empty());
            }
            let skipped = usize::from(self.after_cr && input[0] == b'\n');
            let input = &input[skipped..];
            let end = input.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &input[..end.unwrap_or(input.len())];
            self.line.extend_from_slice(part);
            self.after_cr = end.is_some_and(|end| input[end] == b'\r');
            let read = skipped + part.len() + usize::from(end.is_some());
            self.source.consume(read);
            if end.is_some() || self.line.len() > MAX_LINE_BYTES {
                return Ok(true);
            }
        }
    }
}
