//! Errors of file imports.

use std::io;

use crate::domain::Error;

/// Error of an import.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    /// The file holds invalid products, or the catalog rejects them.
    #[error(transparent)]
    Catalog(#[from] Error),
}
