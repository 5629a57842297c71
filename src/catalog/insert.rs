//! Inserts that are retried after temporary id conflicts, in a transaction or on their own.

use std::sync::Arc;

use super::assemble::assemble_products;
use crate::{
    domain::{
        Error, FieldError, MAX_FIELD_ERRORS, NewProduct, OnConflict, Product, ProductId, id_taken_error,
        new_version,
    },
    store::{Insert, Inserted, LockWait, ProductStatements, RowConflict, StoreError},
};

/// Maximum number of attempts at an insert, each of which may fail because of concurrent changes.
const MAX_ATTEMPTS: usize = 100;

/// Returns the handling of taken ids in an insert.
pub(super) fn row_conflict(on_conflict: OnConflict) -> RowConflict {
    match on_conflict {
        OnConflict::Reject => RowConflict::Fail,
        OnConflict::Replace => RowConflict::Replace,
    }
}

/// Inserts all of the products or none, and returns them in the given order. No two may have the same id.
pub(super) async fn insert_all<S: ProductStatements + ?Sized>(
    store: &S,
    new: Vec<NewProduct>,
    on_conflict: RowConflict,
) -> Result<Vec<Product>, Error> {
    let (products, version) = (Arc::new(new), new_version());
    // A generated id that another transaction is about to use is skipped soon.
    let has_client_ids = products.iter().any(|product| product.id.is_some());
    let wait = if has_client_ids { LockWait::Default } else { LockWait::Short };
    let insert = Insert { products, version, on_conflict, wait };
    let Inserted { generated_ids, .. } = insert_with_retry(store, &insert).await?;
    assemble_products(Arc::unwrap_or_clone(insert.products), generated_ids, version)
}

/// Inserts all of the products or none. Retries after an id conflict that may have a temporary cause.
pub(super) async fn insert_with_retry<S: ProductStatements + ?Sized>(
    store: &S,
    insert: &Insert,
) -> Result<Inserted, Error> {
    if insert.products.is_empty() {
        return Ok(Inserted::default());
    }
    for _ in 0..MAX_ATTEMPTS {
        match store.insert(insert).await {
            Ok(inserted) => return Ok(inserted),
            Err(StoreError::LockTimeout) if insert.wait == LockWait::Short => continue,
            Err(StoreError::IdTaken) => {}
            Err(error) => return Err(error.into()),
        }
        let ids: Vec<ProductId> = insert.products.iter().filter_map(|product| product.id).collect();
        if insert.on_conflict == RowConflict::Fail {
            let conflicts = id_conflicts(store, &insert.products).await?;
            if !conflicts.is_empty() {
                return Err(Error::Duplicate(conflicts));
            }
        }
        // Either the conflicting product has been deleted, or a client has used a generated id.
        store.skip_used_ids(&ids, insert.products.len() - ids.len()).await?;
    }
    tracing::warn!("an insert was abandoned after {MAX_ATTEMPTS} id conflicts in a row");
    Err(Error::Unavailable)
}

/// Returns an error for each product whose id is already stored, up to [`MAX_FIELD_ERRORS`].
pub(super) async fn id_conflicts<S: ProductStatements + ?Sized>(
    store: &S,
    new: &[NewProduct],
) -> Result<Vec<FieldError>, StoreError> {
    let mut existing = store.existing_ids(new.iter().filter_map(|product| product.id).collect()).await?;
    existing.sort_unstable();
    let sent = new.iter().filter_map(|product| Some((product.location, product.id?)));
    let conflicts = sent.filter(|(_, id)| existing.binary_search(id).is_ok());
    Ok(conflicts.take(MAX_FIELD_ERRORS).map(|(location, id)| id_taken_error(location, id)).collect())
}
