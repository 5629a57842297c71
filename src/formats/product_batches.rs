//! Reads and validates the products of a file in batches.

use std::io::BufRead;

use super::{Format, csv::CsvReader, import_error::ImportError, ndjson::NdjsonReader};
use crate::domain::{NewProduct, NewProducts};

/// Maximum number of products in a batch. One statement stores a batch.
const BATCH_SIZE: usize = 4_000;

/// Iterator over the batches of a file. It ends after the first error. The error of a batch lists its invalid
/// lines.
pub struct ProductBatches<R> {
    source: Source<R>,
    is_finished: bool,
}

enum Source<R> {
    Csv(CsvReader<R>),
    Ndjson(NdjsonReader<R>),
}

impl<R: BufRead> ProductBatches<R> {
    /// Creates an iterator over a CSV or NDJSON file. [`Format::Json`] is not a format of files; it is treated
    /// as NDJSON.
    pub fn new(format: Format, source: R) -> Self {
        let source = match format {
            Format::Csv => Source::Csv(CsvReader::new(source)),
            Format::Ndjson | Format::Json => Source::Ndjson(NdjsonReader::new(source)),
        };
        Self { source, is_finished: false }
    }
}

impl<R: BufRead> Iterator for ProductBatches<R> {
    type Item = Result<Vec<NewProduct>, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut products = NewProducts::default();
        while !self.is_finished && products.count() < BATCH_SIZE {
            let more = match &mut self.source {
                Source::Csv(csv) => csv.read(&mut products),
                Source::Ndjson(ndjson) => ndjson.read(&mut products),
            };
            match more {
                Ok(more) => self.is_finished = !more,
                Err(error) => {
                    self.is_finished = true;
                    return Some(Err(error.into()));
                }
            }
        }
        if products.count() == 0 {
            return None;
        }
        let batch = products.finish();
        self.is_finished |= batch.is_err();
        Some(batch.map_err(ImportError::from))
    }
}
