//! Batched creates: one insert for all waiting requests, each with its own result.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::future::join_all;

use super::batcher::BatchHandler;
use crate::{
    catalog::{Catalog, assemble::assemble_products, insert::id_conflicts},
    domain::{Error, NewProduct, Product, Version, id_taken_error, new_version},
    store::{Insert, Inserted, LockWait, RowConflict, StoreError},
};

/// Outcome of one request in a batch.
pub(in crate::catalog) enum BatchOutcome<Req, Res> {
    /// Final result.
    Done(Result<Res, Error>),
    /// The request, which its caller must retry alone. A retry within the batch would delay other requests.
    RetryAlone(Req),
}

/// Handler of create batches.
#[derive(Clone)]
pub(in crate::catalog) struct CreateBatch {
    pub catalog: Catalog,
    pub row_conflict: RowConflict,
}

/// Creates all arrays of a batch with one insert. If the database rejects it, arrays with taken ids get an
/// error, and all others are retried alone.
impl BatchHandler<Vec<NewProduct>, BatchOutcome<Vec<NewProduct>, Vec<Product>>> for CreateBatch {
    async fn handle(&self, arrays: Vec<Vec<NewProduct>>) -> Vec<BatchOutcome<Vec<NewProduct>, Vec<Product>>> {
        let Self { catalog, row_conflict } = self;
        let lengths: Vec<usize> = arrays.iter().map(Vec::len).collect();
        // `flatten` would not reserve the total length.
        let mut new = Vec::with_capacity(lengths.iter().sum());
        for array in arrays {
            new.extend(array);
        }
        let insert = shared_insert(Arc::new(new), new_version(), *row_conflict);
        let products = match catalog.store().insert(&insert).await {
            Ok(inserted) => {
                catalog.inner.feed.notify_changed();
                let Insert { products, version, .. } = insert;
                assemble_products(Arc::unwrap_or_clone(products), inserted.generated_ids, version)
            }
            Err(error) if !error.is_rejection() => Err(error.into()),
            rejected => {
                let has_conflict = matches!(rejected, Err(StoreError::IdTaken));
                let outcome = async |array: Vec<NewProduct>| match id_conflicts(catalog.store(), &array).await
                {
                    Ok(conflicts) if !conflicts.is_empty() => {
                        BatchOutcome::Done(Err(Error::Duplicate(conflicts)))
                    }
                    _ => BatchOutcome::RetryAlone(array),
                };
                let arrays = split(Arc::unwrap_or_clone(insert.products), &lengths);
                return if has_conflict {
                    join_all(arrays.map(outcome)).await
                } else {
                    arrays.map(BatchOutcome::RetryAlone).collect()
                };
            }
        };
        match products {
            Ok(products) => {
                split(products, &lengths).map(|products| BatchOutcome::Done(Ok(products))).collect()
            }
            Err(error) => lengths.iter().map(|_| BatchOutcome::Done(Err(error.clone()))).collect(),
        }
    }
}

impl BatchHandler<NewProduct, BatchOutcome<NewProduct, Product>> for CreateBatch {
    async fn handle(&self, new: Vec<NewProduct>) -> Vec<BatchOutcome<NewProduct, Product>> {
        let Self { catalog, row_conflict } = self;
        // Of several requests with the same id, the first is stored. The others usually get a conflict.
        let mut ids = HashSet::new();
        let (first, repeated): (Vec<_>, Vec<_>) =
            new.into_iter().enumerate().partition(|(_, new)| new.id.is_none_or(|id| ids.insert(id)));
        let (indices, first): (Vec<usize>, Vec<NewProduct>) = first.into_iter().unzip();
        let first_ids: Vec<_> = first.iter().map(|new| new.id).collect();
        let mut outcomes: Vec<_> =
            indices.into_iter().zip(catalog.create_each(first, *row_conflict).await).collect();
        for (index, new) in repeated {
            let first = first_ids.iter().position(|id| *id == new.id).map(|first| &outcomes[first].1);
            let outcome = match (new.id, first) {
                (Some(id), Some(BatchOutcome::Done(Ok(_) | Err(Error::Duplicate(_)))))
                    if *row_conflict == RowConflict::Fail =>
                {
                    BatchOutcome::Done(Err(Error::Duplicate(vec![id_taken_error(new.location, id)])))
                }
                (_, Some(BatchOutcome::Done(Err(error)))) => BatchOutcome::Done(Err(error.clone())),
                _ => BatchOutcome::RetryAlone(new),
            };
            outcomes.push((index, outcome));
        }
        outcomes.sort_unstable_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// Number of further inserts that must expect taken ids. An insert that skips taken ids is slower than a
/// plain one, so it is used only after a recent conflict.
#[derive(Debug, Default)]
pub(in crate::catalog) struct RecentConflicts(AtomicU8);

impl RecentConflicts {
    /// Number of inserts after a conflict that expect another conflict.
    const INSERTS: u8 = 100;

    /// Returns whether the next insert must expect a conflict, and counts that insert.
    fn expected(&self) -> bool {
        let decrement = |remaining: u8| remaining.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement).is_ok()
    }

    fn record(&self) {
        self.0.store(Self::INSERTS, Ordering::Relaxed);
    }
}

impl Catalog {
    /// Stores the products whose ids are free, or all of them with [`RowConflict::Replace`]. Returns the
    /// outcomes in the order of the products. No two products may have the same id.
    async fn create_each(
        &self,
        new: Vec<NewProduct>,
        row_conflict: RowConflict,
    ) -> Vec<BatchOutcome<NewProduct, Product>> {
        let (new, version) = (Arc::new(new), new_version());
        let inserted = match row_conflict {
            RowConflict::Replace => {
                self.store().insert(&shared_insert(new.clone(), version, row_conflict)).await
            }
            RowConflict::Fail | RowConflict::Skip => self.insert_free_ids(&new, version).await,
        };
        let Inserted { generated_ids, stored_client_ids } = match inserted {
            Ok(inserted) => inserted,
            Err(error) if !error.is_rejection() => {
                let error = Error::from(error);
                return new.iter().map(|_| BatchOutcome::Done(Err(error.clone()))).collect();
            }
            // Usually one request is the cause. Its id may be locked by another transaction, or no more ids
            // can be generated, or a client has used a generated id.
            _ => return Arc::unwrap_or_clone(new).into_iter().map(BatchOutcome::RetryAlone).collect(),
        };
        self.inner.feed.notify_changed();
        let conflict = |new: &NewProduct| {
            let id = new.id.filter(|id| !stored_client_ids.contains(*id))?;
            Some(Error::Duplicate(vec![id_taken_error(new.location, id)]))
        };
        let conflicts: Vec<_> = new.iter().map(conflict).collect();
        let mut new = Arc::unwrap_or_clone(new);
        let mut has_conflict = conflicts.iter().map(Option::is_some);
        new.retain(|_| has_conflict.next() != Some(true));
        let products = assemble_products(new, generated_ids, version).unwrap_or_else(|error| {
            tracing::error!(%error, "the inserted ids do not match the requested products");
            Vec::new()
        });
        let mut products = products.into_iter();
        let outcome = |conflict: Option<Error>| match conflict {
            Some(conflict) => BatchOutcome::Done(Err(conflict)),
            None => BatchOutcome::Done(products.next().ok_or(Error::Internal)),
        };
        conflicts.into_iter().map(outcome).collect()
    }

    /// Inserts the products whose ids are free. Tries a plain insert first, unless conflicts are expected.
    async fn insert_free_ids(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
    ) -> Result<Inserted, StoreError> {
        if !self.inner.recent_conflicts.expected() {
            match self.store().insert(&shared_insert(new.clone(), version, RowConflict::Fail)).await {
                Err(StoreError::IdTaken) => self.inner.recent_conflicts.record(),
                result => return result,
            }
        }
        self.store().insert(&shared_insert(new.clone(), version, RowConflict::Skip)).await
    }
}

/// Returns an insert for several requests.
fn shared_insert(products: Arc<Vec<NewProduct>>, version: Version, on_conflict: RowConflict) -> Insert {
    Insert { products, version, on_conflict, wait: LockWait::Short }
}

/// Splits the items into consecutive vectors of the given lengths.
fn split<T>(items: Vec<T>, lengths: &[usize]) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    lengths.iter().map(move |length| items.by_ref().take(*length).collect())
}

#[cfg(test)]
mod tests;
