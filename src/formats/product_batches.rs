//! The products of a file, checked, in batches.

use std::io::{self, BufRead};

use super::{Format, csv::Csv, import::ImportError, ndjson::Ndjson};
use crate::catalog::{NewProduct, NewProducts};

/// So many go into one statement.
const BATCH: usize = 4_000;

/// Reads a file batch by batch. A batch with a bad line in it is an error that names the lines, and the last.
pub struct ProductBatches<R> {
    source: Source<R>,
    ended: bool,
}

enum Source<R> {
    Csv(Csv<R>),
    Ndjson(Ndjson<R>),
}

impl<R: BufRead> ProductBatches<R> {
    /// The products in this source, which is not [`Format::Json`].
    pub fn new(format: Format, source: R) -> Self {
        let source = match format {
            Format::Csv => Source::Csv(Csv::new(source)),
            Format::Ndjson | Format::Json => Source::Ndjson(Ndjson::new(source)),
        };
        Self { source, ended: false }
    }
}

impl<R: BufRead> Iterator for ProductBatches<R> {
    type Item = Result<Vec<NewProduct>, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut products = NewProducts::default();
        while !self.ended && products.count() < BATCH {
            let more = match &mut self.source {
                Source::Csv(csv) => csv.read(&mut products),
                Source::Ndjson(ndjson) => ndjson.read(&mut products),
            };
            match more {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
        if products.count() == 0 {
            return None;
        }
        let checked = products.all();
        self.ended |= checked.is_err();
        Some(checked.map_err(ImportError::from))
    }
}

/// Some programs begin a UTF-8 file with it.
pub fn skip_byte_order_mark(source: &mut impl BufRead) -> io::Result<()> {
    if source.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        source.consume(3);
    }
    Ok(())
}
