//! The error of a file import.

use std::io;

use crate::domain::Error;

/// Reason why a file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// I/O error of the file.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    /// Invalid lines in the file, or an error of the catalog.
    #[error(transparent)]
    Catalog(#[from] Error),
}
