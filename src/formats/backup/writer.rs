//! Writes a backup.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use super::lines::{FORMAT, FORMAT_VERSION, Header, Summary, end_line, write_rows};
use crate::store::{Rows, schema_version};

/// Writer of a backup.
pub struct BackupWriter<W> {
    out: W,
    /// The header's line.
    header: Vec<u8>,
    rows: Sha256,
    summary: Summary,
    /// Bytes of the rows that are being written.
    buffer: Vec<u8>,
}

impl<W: Write> BackupWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Returns an error if `out` fails.
    pub fn new(mut out: W) -> io::Result<Self> {
        let header = Header {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            schema: schema_version(),
            created_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            server: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut line = serde_json::to_vec(&header)?;
        line.push(b'\n');
        out.write_all(&line)?;
        let (rows, summary, buffer) = (Sha256::new(), Summary::default(), Vec::new());
        Ok(Self { out, header: line, rows, summary, buffer })
    }

    /// Writes rows.
    ///
    /// # Errors
    /// Returns an error if `out` fails.
    pub fn write(&mut self, rows: &Rows) -> io::Result<()> {
        self.summary.count(rows);
        self.buffer.clear();
        write_rows(rows, &mut self.buffer)?;
        self.rows.update(&self.buffer);
        self.out.write_all(&self.buffer)
    }

    /// Writes the end. Returns it and the destination.
    ///
    /// # Errors
    /// Returns an error if `out` fails.
    pub fn finish(mut self, last_id: i64) -> io::Result<(Summary, W)> {
        let summary = self.summary.complete(last_id, &self.header, self.rows);
        self.out.write_all(&end_line(&summary)?)?;
        self.out.flush()?;
        Ok((summary, self.out))
    }
}
