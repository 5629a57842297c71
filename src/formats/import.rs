//! Takes a whole file into the catalog, all or none.

use std::io::{self, BufReader, Read, Seek};

use super::{Format, product_batches::ProductBatches};
use crate::catalog::{Catalog, Error, OnConflict};

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file can't be read.
    #[error("can't read the file: {0}")]
    Read(#[from] io::Error),
    /// The catalog refused it.
    #[error(transparent)]
    Catalog(#[from] Error),
}

/// Larger than the default: fewer turns into the parsers.
const BUFFER: usize = 64 << 10;

/// Stores all products of the file and returns how many there were.
///
/// The file is read twice: before anything is stored, it is known that every line of it is good. Memory stays
/// flat, whatever the file holds.
///
/// # Errors
/// [`ImportError`].
pub async fn import<R>(
    catalog: &Catalog,
    format: Format,
    mut file: R,
    taken: OnConflict,
) -> Result<u64, ImportError>
where
    R: Read + Seek + Send + 'static,
{
    let check = move || {
        for batch in ProductBatches::new(format, BufReader::with_capacity(BUFFER, &mut file)) {
            batch?;
        }
        file.rewind()?;
        Ok::<_, ImportError>(file)
    };
    let file = tokio::task::spawn_blocking(check).await.map_err(|_| Error::Internal)??;
    catalog.import(ProductBatches::new(format, BufReader::with_capacity(BUFFER, file)), taken).await
}
