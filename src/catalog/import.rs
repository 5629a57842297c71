//! Imports any number of products with constant memory, all or none.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Catalog, Transaction, insert::insert_with_retry};
use crate::{
    domain::{
        Error, MAX_FIELD_ERRORS, NewProduct, OnConflict, Version, id_taken_error, new_version,
        reject_duplicate_ids,
    },
    store::{Insert, LockWait, RowConflict, StoredIds},
};

impl Catalog {
    /// Stores the products of all batches or none, and returns their number.
    ///
    /// The iterator may block, because it runs on Tokio's blocking threads. Until the transaction ends, other
    /// writers of the same ids wait. On SQLite, all other writers wait.
    ///
    /// # Errors
    /// Returns an error of the iterator, [`Error::Duplicate`] if ids are taken or repeated,
    /// [`Error::IdsExhausted`], [`Error::VersionRequired`] if replacements were requested, or a database
    /// error.
    pub async fn import<B, E>(&self, batches: B, on_conflict: OnConflict) -> Result<u64, E>
    where
        B: Iterator<Item = Result<Vec<NewProduct>, E>> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.in_transaction(async move |transaction: Transaction| {
            transaction.import(batches, on_conflict).await
        })
        .await
    }
}

impl Transaction {
    /// Stores the products of all batches or none. See [`Catalog::import`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::import`].
    pub async fn import<B, E>(&self, batches: B, on_conflict: OnConflict) -> Result<u64, E>
    where
        B: Iterator<Item = Result<Vec<NewProduct>, E>> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.catalog.check_replace_allowed(on_conflict)?;
        self.store.begin_part().await.map_err(Error::from)?;
        let result = self.store_all(batches, on_conflict).await;
        if result.is_err() {
            // The transaction may go on, for example to store the response for an idempotency key.
            self.store.roll_back_part().await.map_err(Error::from)?;
        }
        result
    }

    async fn store_all<B, E>(&self, batches: B, on_conflict: OnConflict) -> Result<u64, E>
    where
        B: Iterator<Item = Result<Vec<NewProduct>, E>> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let version = new_version();
        let mut reading = spawn_blocking(move || next(batches));
        let mut count = 0;
        loop {
            let (batch, batches) = reading.await.map_err(|_| Error::Internal)?;
            let Some(batch) = batch.transpose()? else {
                return Ok(count);
            };
            // The next batch is read while this one is stored.
            reading = spawn_blocking(move || next(batches));
            count += batch.len() as u64;
            self.store_batch(batch, version, on_conflict).await?;
        }
    }

    /// Stores one batch. Ids stored by an earlier batch of the import count as taken, even if taken ids are
    /// to be replaced. The version, which all batches share, distinguishes them.
    async fn store_batch(
        &self,
        batch: Vec<NewProduct>,
        version: Version,
        on_conflict: OnConflict,
    ) -> Result<(), Error> {
        reject_duplicate_ids(&batch)?;
        let on_conflict = match on_conflict {
            OnConflict::Reject => RowConflict::Skip,
            OnConflict::Replace => RowConflict::Replace,
        };
        let insert = Insert { products: Arc::new(batch), version, on_conflict, wait: LockWait::Default };
        let stored = insert_with_retry(&*self.store, &insert).await?.stored_client_ids;
        if matches!(stored, StoredIds::All) {
            return Ok(());
        }
        let sent = insert.products.iter().filter_map(|product| Some((product.location, product.id?)));
        let taken = sent.filter(|(_, id)| !stored.contains(*id));
        let errors = taken.take(MAX_FIELD_ERRORS).map(|(location, id)| id_taken_error(location, id));
        Err(Error::Duplicate(errors.collect()))
    }
}

fn next<B: Iterator>(mut batches: B) -> (Option<B::Item>, B) {
    (batches.next(), batches)
}
