//! How products are written down: JSON, CSV (RFC 4180) and newline-delimited JSON. No HTTP and no rules.

use std::path::Path;

use clap::ValueEnum;

use crate::catalog::{FieldError, Location, Product};

mod csv;
mod import;
pub mod json;
mod ndjson;
mod product_batches;

pub use import::{ImportError, import};

/// A way to write products down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One array.
    #[value(skip)]
    Json,
    /// RFC 4180, with a header row
    Csv,
    /// One JSON object a line
    Ndjson,
}

impl Format {
    /// What is answered as `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// The format of a media type without its parameters.
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

    /// The format that a file's name tells.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// Writes products in parts, which together are one document.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    any: bool,
}

impl Writer {
    /// Begins a document.
    pub fn new(format: Format, out: &mut Vec<u8>) -> Self {
        match format {
            Format::Json => out.push(b'['),
            Format::Csv => out.extend_from_slice(csv::HEADER),
            Format::Ndjson => {}
        }
        Self { format, any: false }
    }

    /// Appends products.
    pub fn write(&mut self, out: &mut Vec<u8>, products: &[Product]) {
        out.reserve(products.len() * json::PRODUCT_BYTES);
        for product in products {
            match self.format {
                Format::Json => {
                    if self.any {
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
            self.any = true;
        }
    }

    /// Ends the document.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.format == Format::Json {
            out.push(b']');
        }
    }
}

/// A line as a whole.
fn bad_line(line: u64, detail: impl Into<std::borrow::Cow<'static, str>>) -> FieldError {
    FieldError { at: Location::Line(line), field: "", detail: detail.into() }
}
