//! `stockmeter import` and `stockmeter export`: copy products between a file and the database, without a
//! running server.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    time::Instant,
};

use clap::Args;

use super::{
    input,
    output::Output,
    progress::{ProgressReader, progress, report},
    transfer_error::{TransferError, file_error},
};
use crate::{
    catalog::{Catalog, Writer as CatalogWriter},
    domain::{Cursor, Error, Filter, Listing, OnConflict, PageRequest},
    formats::{self, Format, ImportError, Writer},
    store::DatabaseUrl,
};

/// The file to read or write.
#[derive(Args, Debug)]
pub struct FileArg {
    /// Path of the file; `-` is standard input or output
    file: PathBuf,

    /// Format of the file; required unless its name ends in .csv, .ndjson or .jsonl
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl FileArg {
    fn format(&self) -> Result<Format, TransferError> {
        self.format.or_else(|| Format::from_path(&self.file)).ok_or(TransferError::Format)
    }

    fn file_error(&self) -> impl Fn(io::Error) -> TransferError + use<> {
        file_error(&self.file)
    }
}

/// An open file to import.
#[derive(Debug)]
pub struct Source {
    format: Format,
    file: File,
    argument: FileArg,
}

impl Source {
    /// Opens the file.
    ///
    /// # Errors
    /// Returns a [`TransferError`] if the file cannot be read or its format is unknown.
    pub fn open(argument: FileArg) -> Result<Self, TransferError> {
        let format = argument.format()?;
        let file = input::open(&argument.file)?;
        Ok(Self { format, file, argument })
    }
}

/// Imports all products of a file, or none if it has errors.
///
/// # Errors
/// Returns a [`TransferError`] if the file cannot be read or has invalid lines, or if the catalog fails.
pub async fn import(
    catalog: &Catalog,
    Source { format, file, argument: source }: Source,
    on_conflict: OnConflict,
) -> Result<(), TransferError> {
    let start = Instant::now();
    let (reader, bar) = ProgressReader::new(file).map_err(source.file_error())?;
    let result = formats::import(&CatalogWriter::Catalog(catalog.clone()), format, reader, on_conflict).await;
    bar.finish_and_clear();
    match result {
        Ok(count) => report("imported", count, start),
        Err(ImportError::Read(error)) => return Err(source.file_error()(error)),
        Err(ImportError::Catalog(error)) if error.field_errors().is_empty() => return Err(error.into()),
        Err(ImportError::Catalog(error)) => {
            let lines = error.field_errors().iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(TransferError::Lines(lines.join("\n")));
        }
    }
    Ok(())
}

/// Checks that an export does not replace the database.
///
/// # Errors
/// Returns [`TransferError::Database`] if the target is a file of the database.
pub fn check_target(target: &FileArg, database: &DatabaseUrl) -> Result<(), TransferError> {
    if database.contains_file(&target.file) { Err(TransferError::Database) } else { Ok(()) }
}

/// Exports all products to a file. A regular file has a temporary name until it is complete.
///
/// # Errors
/// Returns a [`TransferError`] if the file cannot be written or the catalog fails.
pub async fn export(catalog: &Catalog, target: &FileArg) -> Result<(), TransferError> {
    let (format, start) = (target.format()?, Instant::now());
    let mut output = Output::create(&target.file, 0o666).map_err(target.file_error())?;
    let count = write_all(catalog, format, &mut output).await?.map_err(target.file_error())?;
    output.replace().map_err(target.file_error())?;
    report("exported", count, start);
    Ok(())
}

/// Writes all products page by page and returns their number. The outer error is from the catalog, the inner
/// error from the file.
async fn write_all(
    catalog: &Catalog,
    format: Format,
    file: &mut impl Write,
) -> Result<io::Result<u64>, Error> {
    let bar = progress(catalog.count(&Filter::default()).await?, "exporting {wide_bar} {pos}/{len} {eta}");
    let listing = Listing::default();
    let (mut bytes, mut cursor, mut count) = (Vec::new(), None, 0);
    let mut writer = Writer::new(format, &mut bytes);
    loop {
        let page = catalog.page(&listing, PageRequest::after(cursor)).await?;
        writer.write(&mut bytes, &page.products);
        count += page.products.len() as u64;
        bar.set_position(count);
        cursor = page.products.last().filter(|_| page.has_next).map(|last| Cursor::new(last, &listing.order));
        if cursor.is_none() {
            writer.end(&mut bytes);
        }
        if let Err(error) = file.write_all(&bytes) {
            return Ok(Err(error));
        }
        bytes.clear();
        if cursor.is_none() {
            bar.finish_and_clear();
            return Ok(Ok(count));
        }
    }
}
