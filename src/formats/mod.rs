//! Formats of product lists: JSON, CSV (RFC 4180) and newline-delimited JSON. The format of backups.

use std::path::Path;

use clap::ValueEnum;

use crate::domain::{FieldError, Location, Product};

pub mod backup;
mod byte_order_mark;
mod csv;
mod import;
mod import_error;
pub mod json;
mod ndjson;
mod product_batches;

pub use self::{import::import, import_error::ImportError};

/// Format of a list of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A JSON array; not a format of files.
    #[value(skip)]
    Json,
    /// RFC 4180, with a header row
    Csv,
    /// One JSON object per line
    Ndjson,
}

impl Format {
    /// Returns the value for `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// Returns the format with this media type, or `None` if it is unknown. `essence` has no parameters.
    pub fn from_media_type(essence: &str) -> Option<Self> {
        let known = [
            ("application/json", Self::Json),
            ("text/csv", Self::Csv),
            ("application/x-ndjson", Self::Ndjson),
            ("application/ndjson", Self::Ndjson),
            ("application/jsonl", Self::Ndjson),
        ];
        known.iter().find(|(name, _)| essence.eq_ignore_ascii_case(name)).map(|(_, format)| *format)
    }

    /// Returns the extension of files in this format, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// Returns the format whose files have exactly this extension, or `None` if it is unknown.
    pub fn from_extension(extension: &str) -> Option<Self> {
        [Self::Json, Self::Csv, Self::Ndjson].into_iter().find(|format| format.extension() == extension)
    }

    /// Returns the format for the file extension of `path`, or `None` if the extension is unknown.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// Writer of a document in chunks. The caller may send each chunk before the next one is written.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    /// Whether no product has been written yet.
    is_empty: bool,
}

impl Writer {
    /// Creates a writer and appends the start of the document to `out`.
    pub fn new(format: Format, out: &mut Vec<u8>) -> Self {
        match format {
            Format::Json => out.push(b'['),
            Format::Csv => out.extend_from_slice(csv::HEADER),
            Format::Ndjson => {}
        }
        Self { format, is_empty: true }
    }

    /// Appends products to `out`.
    pub fn write(&mut self, out: &mut Vec<u8>, products: &[Product]) {
        out.reserve(products.len() * json::PRODUCT_BYTES);
        for product in products {
            match self.format {
                Format::Json => {
                    if !self.is_empty {
                        out.push(b',');
                    }
                    json::write_product(out, product);
                }
                Format::Csv => csv::write(out, product),
                Format::Ndjson => {
                    json::write_product(out, product);
                    out.push(b'\n');
                }
            }
            self.is_empty = false;
        }
    }

    /// Appends the end of the document to `out`.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.format == Format::Json {
            out.push(b']');
        }
    }
}

/// Returns an error for a whole line of a file.
fn line_error(line: u64, detail: impl Into<std::borrow::Cow<'static, str>>) -> FieldError {
    FieldError { location: Location::Line(line), field: "", detail: detail.into() }
}
