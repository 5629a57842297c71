//! Errors of the commands that copy between a file and the database.

use std::{io, path::Path};

use crate::{domain::Error, formats::backup::BackupError, store::StoreError};

/// Error of an import, an export, a backup or a restore.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Missing format that the file name does not imply either.
    #[error("unknown file format: add --format csv or --format ndjson")]
    Format,
    /// Name of a file that cannot be read or written, and the reason.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// Failure to create a temporary file.
    #[error("cannot create a temporary file for the input: {0}; check the temporary folder (TMPDIR)")]
    TemporaryFile(io::Error),
    /// Invalid lines, or lines whose ids already exist.
    #[error("nothing was imported:\n{0}")]
    Lines(String),
    /// An export to the database itself.
    #[error("the file belongs to the database: choose another one")]
    Database,
    /// Name of a backup that cannot be restored, and the reason.
    #[error("nothing was restored from {0}: {1}")]
    Backup(String, BackupError),
    /// A database into which a backup cannot be restored.
    #[error("nothing was restored, because the database is not empty: set DATABASE_URL to a new database")]
    NotEmpty,
    /// Failure of the database during a backup or a restore.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
    /// Any other error of the catalog.
    #[error(transparent)]
    Catalog(#[from] Error),
}

/// Returns a function that adds the name of a file to an error.
pub(super) fn file_error(file: &Path) -> impl Fn(io::Error) -> TransferError + use<> {
    let name = file.display().to_string();
    move |error| TransferError::File(name.clone(), error)
}
