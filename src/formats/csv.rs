//! CSV (RFC 4180): a header row names the columns, in any order; names are never changed on the way, not even
//! those that a spreadsheet would take for a formula.

use std::io::{self, BufRead, Write};

use csv_core::{ReadRecordResult, Reader};

use super::bad_line;
use crate::catalog::{Draft, FieldError, Location, NewProducts, Product, Value};

/// The header row that we write.
pub const HEADER: &[u8] = b"id,name,price,amount\r\n";

/// Far more than the longest name takes. A quote that is not closed would make one row of the rest of the file.
const MOST_BYTES: usize = 64 << 10;
const MOST_COLUMNS: usize = 64;

/// Appends a row.
pub fn write(out: &mut Vec<u8>, product: &Product) {
    let Product { id, name, price, amount, version: _ } = product;
    // Writing to a Vec can't fail.
    let _ = write!(out, "{id},");
    if name.as_str().contains([',', '"']) {
        let _ = write!(out, "\"{}\"", name.as_str().replace('"', "\"\""));
    } else {
        out.extend_from_slice(name.as_str().as_bytes());
    }
    let _ = write!(out, ",{price},{}\r\n", amount.get());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Id,
    Name,
    Price,
    Amount,
}

impl Column {
    const ALL: [(&str, Self); 4] =
        [("id", Self::Id), ("name", Self::Name), ("price", Self::Price), ("amount", Self::Amount)];
}

/// Reads rows with a fixed amount of memory.
pub struct Csv<R> {
    source: R,
    parser: Box<Reader>,
    /// Line ends consumed so far.
    lines: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    columns: Vec<Column>,
}

/// What the next row is.
enum Row {
    /// It begins on this line and has so many fields.
    Fields(u64, usize),
    /// Its end was not found.
    Endless(u64),
    /// There are no more.
    None,
}

impl<R: BufRead> Csv<R> {
    pub fn new(source: R) -> Self {
        let parser = Box::new(Reader::new());
        let (bytes, ends) = (vec![0; MOST_BYTES], vec![0; MOST_COLUMNS]);
        Self { source, parser, lines: 0, bytes, ends, columns: Vec::new() }
    }

    /// Reads the next product; false at the end of the file.
    pub fn read(&mut self, products: &mut NewProducts) -> io::Result<bool> {
        if self.columns.is_empty() {
            match self.header()? {
                Ok(columns) => self.columns = columns,
                Err(fault) => {
                    products.refuse(fault);
                    return Ok(false);
                }
            }
        }
        match self.row()? {
            Row::None => return Ok(false),
            Row::Endless(line) => {
                products.refuse(too_long(line));
                return Ok(false);
            }
            Row::Fields(line, count) if count != self.columns.len() => {
                let wanted = self.columns.len();
                products.refuse(bad_line(line, format!("has {count} fields, but the header row {wanted}")));
            }
            Row::Fields(line, _) => match self.draft() {
                Some(draft) => products.push_at(Location::Line(line), &draft),
                None => products.refuse(bad_line(line, "is not UTF-8")),
            },
        }
        Ok(true)
    }

    fn header(&mut self) -> io::Result<Result<Vec<Column>, FieldError>> {
        super::product_batches::skip_byte_order_mark(&mut self.source)?;
        let (line, count) = match self.row()? {
            Row::Fields(line, count) => (line, count),
            Row::Endless(line) => return Ok(Err(too_long(line))),
            Row::None => (1, 0),
        };
        let mut columns = Vec::new();
        for place in 0..count {
            let name = String::from_utf8_lossy(self.field(place)).trim().to_ascii_lowercase();
            let known = Column::ALL.iter().find(|(known, _)| *known == name);
            let Some((_, column)) = known else {
                let detail = format!("names a column {name:?}; there are id, name, price and amount");
                return Ok(Err(bad_line(line, detail)));
            };
            if columns.contains(column) {
                return Ok(Err(bad_line(line, format!("names the column {name} twice"))));
            }
            columns.push(*column);
        }
        let missing =
            Column::ALL.iter().find(|(_, column)| *column != Column::Id && !columns.contains(column));
        Ok(match missing {
            None => Ok(columns),
            Some((name, _)) => {
                Err(bad_line(line, format!("must be a header row: it names no column {name}")))
            }
        })
    }

    fn row(&mut self) -> io::Result<Row> {
        // Empty lines count, but not as rows.
        loop {
            let input = self.source.fill_buf()?;
            let Some(byte) = input.first().filter(|byte| matches!(byte, b'\r' | b'\n')) else {
                break;
            };
            self.lines += u64::from(*byte == b'\n');
            self.source.consume(1);
        }
        let line = self.lines + 1;
        let (mut length, mut count) = (0, 0);
        loop {
            let input = self.source.fill_buf()?;
            let (result, read, written, ended) =
                self.parser.read_record(input, &mut self.bytes[length..], &mut self.ends[count..]);
            self.lines += memchr::memchr_iter(b'\n', &input[..read]).count() as u64;
            self.source.consume(read);
            length += written;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Ok(Row::Endless(line));
                }
                ReadRecordResult::Record => return Ok(Row::Fields(line, count)),
                ReadRecordResult::End => return Ok(Row::None),
            }
        }
    }

    fn field(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.bytes[start..self.ends[place]]
    }

    /// The row as a draft, if it is text.
    fn draft(&self) -> Option<Draft<'_>> {
        let mut draft = Draft::default();
        for (place, column) in self.columns.iter().enumerate() {
            let text = std::str::from_utf8(self.field(place)).ok()?;
            let number = || Value::Number(text.trim().into());
            match column {
                // As no id at all: the others need theirs.
                Column::Id if text.is_empty() => {}
                Column::Id => draft.id = number(),
                Column::Name => draft.name = Value::Text(text.into()),
                Column::Price => draft.price = number(),
                Column::Amount => draft.amount = number(),
            }
        }
        Some(draft)
    }
}

fn too_long(line: u64) -> FieldError {
    let detail = format!(
        "begins a row of more than {MOST_BYTES} bytes or {MOST_COLUMNS} fields: is there a quote that is not closed?"
    );
    bad_line(line, detail)
}
