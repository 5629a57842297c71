//! Import of a file into the catalog.

use std::io::{BufReader, Read, Seek};

use super::{Format, import_error::ImportError, product_batches::ProductBatches};
use crate::catalog::Writer;
use crate::domain::{Error, OnConflict};

/// Size of the read buffer in bytes. With the default of 8 KiB, reading would need more system calls.
const BUFFER_SIZE: usize = 64 << 10;

/// Stores all products of a file or none, and returns their number.
///
/// The file is read twice, in constant memory: first to validate every line, then to store the products.
///
/// # Errors
/// Returns [`ImportError::Read`] if the file cannot be read. Returns [`ImportError::Catalog`] if a product is
/// invalid or cannot be stored.
pub async fn import<R>(
    writer: &Writer,
    format: Format,
    mut file: R,
    on_conflict: OnConflict,
) -> Result<u64, ImportError>
where
    R: Read + Seek + Send + 'static,
{
    let validate = move || {
        for batch in ProductBatches::new(format, BufReader::with_capacity(BUFFER_SIZE, &mut file)) {
            batch?;
        }
        file.rewind()?;
        Ok::<_, ImportError>(file)
    };
    let file = tokio::task::spawn_blocking(validate).await.map_err(|_| Error::Internal)??;
    writer.import(ProductBatches::new(format, BufReader::with_capacity(BUFFER_SIZE, file)), on_conflict).await
}
