//! `stockmeter import` and `stockmeter export`: copy products between a file and the database, without a
//! running server.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

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
    fn is_standard(&self) -> bool {
        self.file == Path::new("-")
    }

    fn format(&self) -> Result<Format, TransferError> {
        self.format.or_else(|| Format::from_path(&self.file)).ok_or(TransferError::Format)
    }
}

/// Error of an import or export.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Missing format that the file name does not imply either.
    #[error("unknown file format: add --format csv or --format ndjson")]
    Format,
    /// Name of a file that cannot be read or written, and the reason.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// Failure to create a temporary file.
    #[error("cannot create a temporary file for standard input: {0}; check the temporary folder (TMPDIR)")]
    TemporaryFile(io::Error),
    /// Invalid lines, or lines whose ids already exist.
    #[error("nothing was imported:\n{0}")]
    Lines(String),
    /// An export to the database itself.
    #[error("the file belongs to the database: choose another one")]
    Database,
    /// Any other error of the catalog.
    #[error(transparent)]
    Catalog(#[from] Error),
}

impl FileArg {
    fn file_error(&self) -> impl Fn(io::Error) -> TransferError {
        let name = self.file.display().to_string();
        move |error| TransferError::File(name.clone(), error)
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
        let file = if argument.is_standard() {
            if io::stdin().is_terminal() {
                eprintln!("reading products from the terminal; press Ctrl-D to finish");
            }
            // The import reads its input twice, so standard input is copied to a temporary file.
            let mut file = tempfile::tempfile().map_err(TransferError::TemporaryFile)?;
            io::copy(&mut io::stdin(), &mut file).map_err(argument.file_error())?;
            file.rewind().map_err(argument.file_error())?;
            file
        } else {
            File::open(&argument.file).map_err(argument.file_error())?
        };
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
    let length = file.metadata().map_err(source.file_error())?.len();
    let bar = progress(length, "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {eta}");
    bar.set_message("checking");
    let result = formats::import(
        &CatalogWriter::Catalog(catalog.clone()),
        format,
        ProgressReader { file, bar: bar.clone() },
        on_conflict,
    )
    .await;
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
    if target.is_standard() {
        let count = write_all(catalog, format, &mut io::stdout()).await?.map_err(target.file_error())?;
        io::stdout().flush().map_err(target.file_error())?;
        report("exported", count, start);
        return Ok(());
    }
    if is_special(&target.file) {
        let mut file = OpenOptions::new().write(true).open(&target.file).map_err(target.file_error())?;
        let count = write_all(catalog, format, &mut file).await?.map_err(target.file_error())?;
        report("exported", count, start);
        return Ok(());
    }
    let folder = target.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        // As for any new file, the umask removes permissions.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(target.file_error())?;
    let count = write_all(catalog, format, &mut file).await?.map_err(target.file_error())?;
    file.as_file().sync_all().map_err(target.file_error())?;
    file.persist(&target.file).map_err(|error| target.file_error()(error.error))?;
    report("exported", count, start);
    Ok(())
}

/// Returns whether the path is a device, a pipe or a link, which is written to instead of replaced.
fn is_special(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file())
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

/// Returns a progress bar, which is shown only on a terminal.
fn progress(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

fn report(action: &str, count: u64, start: Instant) {
    eprintln!("{action} {} products in {}", HumanCount(count), HumanDuration(start.elapsed()));
}

/// A file that shows in a progress bar how much was read. It is read twice: to check it, then to store it.
struct ProgressReader {
    file: File,
    bar: ProgressBar,
}

impl Read for ProgressReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}

impl Seek for ProgressReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bar.set_message("storing");
        self.bar.set_position(0);
        self.file.seek(position)
    }
}
