//! `stockmeter import` and `stockmeter export`: files into the store and out of it, past the server.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use tempfile::NamedTempFile;

use crate::{
    catalog::{Catalog, Cursor, Error, Filter, Listing, OnConflict, PageRequest},
    formats::{self, Format, ImportError, Writer},
};

/// Which file.
#[derive(Args, Debug)]
pub struct Place {
    /// The file; - is standard input or output
    file: PathBuf,

    /// Its format, unless its name ends in .csv, .ndjson or .jsonl
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl Place {
    fn is_standard(&self) -> bool {
        self.file == Path::new("-")
    }

    fn format(&self) -> Result<Format, TransferError> {
        self.format.or_else(|| Format::from_path(&self.file)).ok_or(TransferError::Format)
    }
}

/// Why a file could not be taken in or written.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Its name does not tell.
    #[error("tell the format of the file: --format csv or --format ndjson")]
    Format,
    /// It can't be read or written.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// Lines that are no products, or whose ids are taken.
    #[error("nothing was imported:\n{0}")]
    Lines(String),
    /// The catalog fails.
    #[error(transparent)]
    Catalog(#[from] Error),
}

impl Place {
    fn failed(&self) -> impl Fn(io::Error) -> TransferError {
        let name = self.file.display().to_string();
        move |error| TransferError::File(name.clone(), error)
    }
}

/// Stores all products of a file, or none.
///
/// # Errors
/// [`TransferError`].
pub async fn import(catalog: &Catalog, from: &Place, taken: OnConflict) -> Result<(), TransferError> {
    let (format, start) = (from.format()?, Instant::now());
    let file = if from.is_standard() {
        if io::stdin().is_terminal() {
            eprintln!("reading products from the terminal, until Ctrl-D");
        }
        // It is read twice.
        let mut file = tempfile::tempfile().map_err(from.failed())?;
        io::copy(&mut io::stdin(), &mut file).map_err(from.failed())?;
        file.rewind().map_err(from.failed())?;
        file
    } else {
        File::open(&from.file).map_err(from.failed())?
    };
    let length = file.metadata().map_err(from.failed())?.len();
    let bar = progress(length, "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {eta}");
    bar.set_message("checking");
    let imported = formats::import(catalog, format, Watched { file, bar: bar.clone() }, taken).await;
    bar.finish_and_clear();
    match imported {
        Ok(count) => report("imported", count, start),
        Err(ImportError::Read(error)) => return Err(from.failed()(error)),
        Err(ImportError::Catalog(error)) if error.field_errors().is_empty() => return Err(error.into()),
        Err(ImportError::Catalog(error)) => {
            let lines = error.field_errors().iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(TransferError::Lines(lines.join("\n")));
        }
    }
    Ok(())
}

/// Writes all products to a file, which appears when it is whole.
///
/// # Errors
/// [`TransferError`].
pub async fn export(catalog: &Catalog, to: &Place) -> Result<(), TransferError> {
    let (format, start) = (to.format()?, Instant::now());
    if to.is_standard() {
        let count = write_all(catalog, format, &mut io::stdout()).await?.map_err(to.failed())?;
        io::stdout().flush().map_err(to.failed())?;
        report("exported", count, start);
        return Ok(());
    }
    let folder = to.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(to.failed())?;
    let count = write_all(catalog, format, &mut file).await?.map_err(to.failed())?;
    file.as_file().sync_all().map_err(to.failed())?;
    file.persist(&to.file).map_err(|error| to.failed()(error.error))?;
    report("exported", count, start);
    Ok(())
}

/// Page by page; the outer error is the catalog's, the inner one the file's.
async fn write_all(
    catalog: &Catalog,
    format: Format,
    file: &mut impl Write,
) -> Result<io::Result<u64>, Error> {
    let bar = progress(catalog.count(&Filter::default()).await?, "exporting {wide_bar} {pos}/{len} {eta}");
    let listing = Listing::default();
    let (mut bytes, mut place, mut count) = (Vec::new(), None, 0);
    let mut writer = Writer::new(format, &mut bytes);
    loop {
        let page = catalog.page(&listing, PageRequest::after(place)).await?;
        writer.write(&mut bytes, &page.products);
        count += page.products.len() as u64;
        bar.set_position(count);
        place = page.products.last().filter(|_| page.has_next).map(|last| Cursor::new(last, &listing.order));
        if place.is_none() {
            writer.end(&mut bytes);
        }
        if let Err(error) = file.write_all(&bytes) {
            return Ok(Err(error));
        }
        bytes.clear();
        if place.is_none() {
            bar.finish_and_clear();
            return Ok(Ok(count));
        }
    }
}

/// Shown on a terminal only.
fn progress(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

fn report(done: &str, count: u64, start: Instant) {
    eprintln!("{done} {} products in {}", HumanCount(count), HumanDuration(start.elapsed()));
}

/// A file that is read once to check it and once more to store it.
struct Watched {
    file: File,
    bar: ProgressBar,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}

impl Seek for Watched {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.bar.set_message("storing");
        self.bar.set_position(0);
        self.file.seek(place)
    }
}
