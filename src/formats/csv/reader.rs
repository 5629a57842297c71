//! Reader of CSV files.

use std::{
    borrow::Cow,
    io::{self, BufRead},
};

use csv_core::{ReadRecordResult, Reader};

use super::{dialect, row_scanner::RowScanner};
use crate::{
    domain::{Draft, FieldError, Location, NewProducts, Value},
    formats::{byte_order_mark, line_error},
};

/// Maximum size of a row in bytes, far above that of any valid product. An unclosed quote makes the rest of
/// the file one row, which must not fill the memory.
const MAX_ROW_BYTES: usize = 64 << 10;
/// Maximum number of fields in a row, far above the four columns.
const MAX_FIELDS: usize = 64;

const NOT_UTF8: &str = "is not UTF-8: save the file with the encoding UTF-8";

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

/// Reader of CSV, one row at a time, with buffers of fixed size.
pub struct CsvReader<R> {
    source: R,
    parser: Box<Reader>,
    scanner: RowScanner,
    /// Unquoted fields of the current row, without separators.
    bytes: Vec<u8>,
    /// End of each field in `bytes`.
    ends: Vec<usize>,
    /// Columns in the order of the header row; empty until the header row is read.
    columns: Vec<Column>,
}

/// Result of reading a row.
enum Row {
    /// A row: the number of its first line, and its number of fields.
    Fields(u64, usize),
    /// A row with a misplaced quote: the number of its first line, and what is wrong.
    Invalid(u64, &'static str),
    /// A row that exceeds a limit: the number of its first line.
    TooLong(u64),
    EndOfFile,
}

impl<R: BufRead> CsvReader<R> {
    pub fn new(source: R) -> Self {
        let parser = Box::new(Reader::new());
        let (bytes, ends) = (vec![0; MAX_ROW_BYTES], vec![0; MAX_FIELDS]);
        Self { source, parser, scanner: RowScanner::default(), bytes, ends, columns: Vec::new() }
    }

    /// Adds the product or the error of the next row to `products`. Returns false at the end of the file, and
    /// after an invalid header row or a row that is too long, because no further row can be read.
    pub fn read(&mut self, products: &mut NewProducts) -> io::Result<bool> {
        if self.columns.is_empty() {
            match self.read_header()? {
                Ok(columns) => self.columns = columns,
                Err(error) => {
                    products.push_error(error);
                    return Ok(false);
                }
            }
        }
        match self.read_row()? {
            Row::EndOfFile => return Ok(false),
            Row::TooLong(line) => {
                products.push_error(too_long(line));
                return Ok(false);
            }
            Row::Invalid(line, detail) => products.push_error(line_error(line, detail)),
            Row::Fields(line, count) => self.push_fields(line, count, products),
        }
        Ok(true)
    }

    /// Adds the product in the current row, or its error, to `products`.
    fn push_fields(&self, line: u64, count: usize, products: &mut NewProducts) {
        if count != self.columns.len() {
            let detail = dialect::wrong_field_count(self.field(0), count, self.columns.len());
            return products.push_error(line_error(line, detail));
        }
        let Some(draft) = self.to_draft() else {
            return products.push_error(line_error(line, NOT_UTF8));
        };
        let location = Location::Line(line);
        match self.number_with_comma() {
            Some(field) => {
                let detail = dialect::COMMA_IN_NUMBER.into();
                products.push_error(FieldError { location, field, detail });
            }
            None => products.push_at(location, &draft),
        }
    }

    /// Reads the header row. Returns its columns, or the error to report to the client.
    fn read_header(&mut self) -> io::Result<Result<Vec<Column>, FieldError>> {
        byte_order_mark::skip(&mut self.source)?;
        let (line, count) = match self.read_row()? {
            Row::Fields(line, count) => (line, count),
            Row::Invalid(line, detail) => {
                // Quoted columns that other separators divide look like misplaced quotes.
                let columns = String::from_utf8_lossy(self.field(0)).to_ascii_lowercase();
                return Ok(Err(line_error(line, dialect::foreign_header(&columns).unwrap_or(detail))));
            }
            Row::TooLong(line) => return Ok(Err(too_long(line))),
            Row::EndOfFile => (1, 0),
        };
        let mut columns = Vec::new();
        for index in 0..count {
            let Ok(name) = std::str::from_utf8(self.field(index)) else {
                return Ok(Err(line_error(line, NOT_UTF8)));
            };
            let name = name.trim().to_ascii_lowercase();
            let Some((_, column)) = Column::ALL.iter().find(|(known, _)| *known == name) else {
                let unknown =
                    || format!("has the unknown column {name:?}: use only id, name, price and amount").into();
                let detail = dialect::foreign_header(&name).map_or_else(unknown, Cow::Borrowed);
                return Ok(Err(line_error(line, detail)));
            };
            if columns.contains(column) {
                return Ok(Err(line_error(line, format!("has the column {name} twice"))));
            }
            columns.push(*column);
        }
        let missing =
            Column::ALL.iter().find(|(_, column)| *column != Column::Id && !columns.contains(column));
        Ok(match missing {
            None => Ok(columns),
            Some((name, _)) => Err(line_error(line, format!("must be a header row with the column {name}"))),
        })
    }

    fn read_row(&mut self) -> io::Result<Row> {
        // Empty lines are skipped, but counted in line numbers.
        loop {
            let input = self.source.fill_buf()?;
            let Some(byte) = input.first().filter(|byte| matches!(byte, b'\r' | b'\n')) else {
                break;
            };
            self.scanner.scan(&[*byte]);
            self.source.consume(1);
        }
        let line = self.scanner.start_row();
        let (mut length, mut count) = (0, 0);
        loop {
            let input = self.source.fill_buf()?;
            let (result, read, written, fields) =
                self.parser.read_record(input, &mut self.bytes[length..], &mut self.ends[count..]);
            self.scanner.scan(&input[..read]);
            self.source.consume(read);
            length += written;
            count += fields;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Ok(Row::TooLong(line));
                }
                ReadRecordResult::Record => {
                    return Ok(match self.scanner.end_row() {
                        Some(detail) => Row::Invalid(line, detail),
                        None => Row::Fields(line, count),
                    });
                }
                ReadRecordResult::End => return Ok(Row::EndOfFile),
            }
        }
    }

    fn field(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Returns the name of the first numeric column whose field has a comma, or `None` if no such field has one.
    fn number_with_comma(&self) -> Option<&'static str> {
        let mut columns = self.columns.iter().enumerate();
        let (_, column) =
            columns.find(|(index, column)| **column != Column::Name && self.field(*index).contains(&b','))?;
        Column::ALL.iter().find(|(_, known)| known == column).map(|(name, _)| *name)
    }

    /// Returns the current row as a draft, or `None` if it is not UTF-8.
    fn to_draft(&self) -> Option<Draft<'_>> {
        let mut draft = Draft::default();
        for (index, column) in self.columns.iter().enumerate() {
            let text = std::str::from_utf8(self.field(index)).ok()?;
            let number = || Value::Number(text.trim().into());
            match column {
                // Without an id, the catalog generates one.
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
        "starts a row of more than {MAX_ROW_BYTES} bytes or {MAX_FIELDS} fields; check for an unclosed quote"
    );
    line_error(line, detail)
}
