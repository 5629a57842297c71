//! `stockmeter backup` and `stockmeter restore`: copy everything between a file and the database. The server may run.

use std::{
    io::{self, BufReader, BufWriter, Seek},
    path::{Path, PathBuf},
    time::Instant,
};

use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::{
    input,
    output::Output,
    progress::{ProgressReader, progress, report},
    transfer_error::{TransferError, file_error},
};
use crate::{
    audit,
    domain::{Filter, ReadFrom},
    formats::backup::{BackupError, BackupReader, BackupWriter, Part, Summary},
    store::{Rows, Store},
};

/// Permissions of a backup. It has the digests of tokens and all data, so only its owner can read it.
const MODE: u32 = 0o600;

/// Copies one state of the database to a new file. Returns the digest as a line.
///
/// # Errors
/// Returns a [`TransferError`] if the file exists or cannot be written, or if the database fails.
pub async fn backup(store: &dyn Store, file: &Path) -> Result<String, TransferError> {
    let (start, failed) = (Instant::now(), file_error(file));
    if file.is_file() {
        let error =
            io::Error::new(io::ErrorKind::AlreadyExists, "the file already exists, choose another name");
        return Err(failed(error));
    }
    let output = Output::create(file, MODE).map_err(&failed)?;
    let products = store.count(&Filter::default(), ReadFrom::Primary).await?;
    // One part waits while another is written.
    let (sender, receiver) = mpsc::channel(1);
    let (last_id, written) = tokio::join!(store.read_all(sender), write(receiver, output, products));
    let writer = written.map_err(&failed)?;
    let (summary, output) = writer.finish(last_id?).map_err(&failed)?;
    output.into_inner().map_err(io::IntoInnerError::into_error).and_then(Output::keep).map_err(&failed)?;
    report("backed up", summary.products, start);
    Ok(digest_line(&summary))
}

/// Writes rows until the sender is dropped.
async fn write(
    mut receiver: mpsc::Receiver<Rows>,
    output: Output,
    products: u64,
) -> io::Result<BackupWriter<BufWriter<Output>>> {
    let bar = progress(products, "backing up {wide_bar} {pos}/{len} {eta}");
    let mut writer = BackupWriter::new(BufWriter::new(output))?;
    while let Some(rows) = receiver.recv().await {
        writer.write(&rows)?;
        bar.inc(rows.len() as u64);
    }
    bar.finish_and_clear();
    Ok(writer)
}

/// A complete backup.
#[derive(Debug)]
pub struct Source {
    reader: ProgressReader,
    bar: ProgressBar,
    path: PathBuf,
}

impl Source {
    /// Opens a backup and verifies all of it.
    ///
    /// # Errors
    /// Returns a [`TransferError`] if the file cannot be read, was altered or is incomplete.
    pub fn open(path: PathBuf) -> Result<Self, TransferError> {
        let (mut reader, bar) = ProgressReader::new(input::open(&path)?).map_err(file_error(&path))?;
        let mut verify = || {
            let mut backup = BackupReader::new(BufReader::new(&mut reader))?;
            while let Part::Rows(_) = backup.read()? {}
            Ok(())
        };
        let verified = verify();
        bar.finish_and_clear();
        verified.map_err(|error| TransferError::Backup(path.display().to_string(), error))?;
        bar.reset();
        reader.rewind().map_err(file_error(&path))?;
        Ok(Self { reader, bar, path })
    }
}

/// Restores a backup into an empty database. Returns the digest as a line.
///
/// # Errors
/// Returns a [`TransferError`] if the database is not empty or fails. Then nothing was restored.
pub async fn restore(store: &dyn Store, source: Source) -> Result<String, TransferError> {
    let (start, bar) = (Instant::now(), source.bar.clone());
    let change = audit::Change::new("restore", "", None);
    let result = insert_all(store, source).await;
    bar.finish_and_clear();
    // The result is returned below, with more than the number of products.
    let _ = change.complete(result.as_ref().map(|summary| summary.products));
    let summary = result?;
    report("restored", summary.products, start);
    Ok(digest_line(&summary))
}

async fn insert_all(
    store: &dyn Store,
    Source { reader, path, .. }: Source,
) -> Result<Summary, TransferError> {
    let transaction = store.begin_restore().await?;
    if !transaction.is_empty().await? {
        return Err(TransferError::NotEmpty);
    }
    let failed = |error: BackupError| TransferError::Backup(path.display().to_string(), error);
    let mut backup = BackupReader::new(BufReader::new(reader)).map_err(failed)?;
    loop {
        match backup.read().map_err(failed)? {
            Part::Rows(rows) => transaction.insert(rows).await?,
            Part::End(summary) => {
                transaction.commit(summary.last_id).await?;
                return Ok(summary);
            }
        }
    }
}

fn digest_line(summary: &Summary) -> String {
    format!("sha256:{}\n", summary.digest)
}
