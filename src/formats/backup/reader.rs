//! Reads and verifies a backup.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

use super::lines::{FORMAT, FORMAT_VERSION, Header, Line, Summary, end_line, write_rows};
use crate::store::{GENERATED_ID_LIMIT, Rows, schema_version};

/// Maximum length of the header in bytes. A file of another kind may have no line breaks.
const MAX_HEADER_BYTES: u64 = 4096;
/// Number of products or API tokens after which rows are returned.
const ROWS: usize = 1000;
/// Number of bytes after which rows are returned. A stored response can be as large as a request body.
const BYTES: usize = 1 << 20;

/// Reason why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("the file is not a backup that `stockmeter backup` has written")]
    Format,
    #[error("the backup is of a newer version of Stockmeter ({0:?}): restore it with that version")]
    Newer(String),
    #[error("the backup is incomplete, its end is missing: use another backup")]
    Incomplete,
    #[error("the backup was altered, line {0} is not valid: use another backup")]
    Line(u64),
    #[error("the backup was altered, its checksum is wrong: use another backup")]
    Checksum,
}

/// Part of a backup.
#[derive(Debug)]
pub enum Part {
    Rows(Rows),
    /// The end of a complete backup, all of which is as it was written.
    End(Summary),
}

/// Reader of a backup, with a buffer of limited size.
pub struct BackupReader<R> {
    source: R,
    /// The header's line.
    header: Vec<u8>,
    rows: Sha256,
    summary: Summary,
    /// Bytes of the current line, with its line break.
    line: Vec<u8>,
    /// Bytes of the current line as a backup writes them.
    written: Vec<u8>,
    /// Number of the current line, from 1.
    line_number: u64,
    /// The next part, if it was read to find the end of the rows before it.
    ahead: Option<Part>,
}

impl<R: BufRead> BackupReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Returns a [`BackupError`] if the file is not a backup or too new.
    pub fn new(mut source: R) -> Result<Self, BackupError> {
        let mut line = Vec::new();
        Read::by_ref(&mut source).take(MAX_HEADER_BYTES).read_until(b'\n', &mut line)?;
        let header: Header = serde_json::from_slice(&line).map_err(|_| BackupError::Format)?;
        if header.format != FORMAT {
            return Err(BackupError::Format);
        }
        if header.format_version > FORMAT_VERSION || header.schema > schema_version() {
            return Err(BackupError::Newer(header.server));
        }
        let (rows, summary, written) = (Sha256::new(), Summary::default(), Vec::new());
        Ok(Self { source, header: line.clone(), rows, summary, line, written, line_number: 1, ahead: None })
    }

    /// Returns the next rows or the end, after which nothing may be read.
    ///
    /// # Errors
    /// Returns a [`BackupError`] if the file cannot be read, was altered or is incomplete.
    pub fn read(&mut self) -> Result<Part, BackupError> {
        let mut part = match self.ahead.take() {
            Some(part) => part,
            None => self.read_line()?,
        };
        let mut bytes = self.line.len();
        while let Part::Rows(rows) = &mut part
            && rows.len() < ROWS
            && bytes < BYTES
        {
            let next = self.read_line()?;
            bytes += self.line.len();
            self.ahead = match next {
                Part::Rows(next) => rows.append(next).map(Part::Rows),
                end @ Part::End(_) => Some(end),
            };
            if self.ahead.is_some() {
                break;
            }
        }
        Ok(part)
    }

    fn read_line(&mut self) -> Result<Part, BackupError> {
        self.line.clear();
        self.line_number += 1;
        self.source.read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            return Err(BackupError::Incomplete);
        }
        let number = self.line_number;
        let invalid = || BackupError::Line(number);
        let rows = match serde_json::from_slice(&self.line).map_err(|_| invalid())? {
            Line::Product(row) => Rows::Products(vec![row.try_into().map_err(|_| invalid())?]),
            Line::ApiToken(row) => Rows::ApiTokens(vec![row.try_into().map_err(|_| invalid())?]),
            Line::IdempotencyKey(row) => Rows::Responses(vec![row.try_into().map_err(|_| invalid())?]),
            Line::End(end) => return self.verify(end).map(Part::End),
        };
        // Only then has the restored database the digest of the file.
        self.written.clear();
        write_rows(&rows, &mut self.written).map_err(io::Error::from)?;
        if self.written != self.line {
            return Err(invalid());
        }
        self.rows.update(&self.line);
        self.summary.count(&rows);
        Ok(Part::Rows(rows))
    }

    /// Compares the end with what was read.
    fn verify(&mut self, end: Summary) -> Result<Summary, BackupError> {
        let read = self.summary.clone().complete(end.last_id, &self.header, self.rows.clone());
        let is_possible = (0..GENERATED_ID_LIMIT).contains(&end.last_id);
        let is_last = self.source.fill_buf()?.is_empty();
        if read == end && is_possible && is_last && self.line == end_line(&end).map_err(io::Error::from)? {
            Ok(end)
        } else {
            Err(BackupError::Checksum)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a right digest and a right checksum.
    fn forged(row: &str, last_id: i64) -> Vec<u8> {
        let schema = schema_version();
        let header = format!(
            "{{\"format\":\"{FORMAT}\",\"format_version\":1,\"schema\":\"{schema}\",\"created_at\":\"\",\"server\":\"\"}}\n"
        );
        let rows = Sha256::new_with_prefix(row);
        let mut summary = Summary::default();
        summary.products = 1;
        let end = end_line(&summary.complete(last_id, header.as_bytes(), rows)).unwrap();
        [header.as_bytes(), row.as_bytes(), &end].concat()
    }

    fn verify(file: &[u8]) -> Result<(), BackupError> {
        let mut reader = BackupReader::new(file)?;
        while let Part::Rows(_) = reader.read()? {}
        Ok(())
    }

    #[test]
    fn every_altered_byte_and_every_missing_end_is_found() {
        let row = r#"{"product":{"id":1,"name":"x","price":"1.0","amount":1,"version":1}}"#;
        let file = forged(&format!("{row}\n"), 1);
        for index in 0..file.len() {
            let mut altered = file.clone();
            altered[index] ^= 1;
            assert!(verify(&altered).is_err(), "{index}");
            assert!(verify(&file[..index]).is_err(), "{index}");
        }
    }

    #[test]
    fn only_rows_as_they_are_written_have_a_valid_digest() {
        let row = |price: &str| {
            format!(
                "{{\"product\":{{\"id\":1,\"name\":\"x\",\"price\":\"{price}\",\"amount\":1,\"version\":1}}}}\n"
            )
        };
        assert!(verify(&forged(&row("1.0"), 1)).is_ok());
        for price in ["1", "01.0", "1.00"] {
            assert!(matches!(verify(&forged(&row(price), 1)), Err(BackupError::Line(2))), "{price}");
        }
        assert!(matches!(verify(&forged(&row("1.0"), -1)), Err(BackupError::Checksum)));
        assert!(matches!(verify(&forged(&row("1.0"), GENERATED_ID_LIMIT)), Err(BackupError::Checksum)));
    }
}
