//! Imports any number of products with constant memory, all or none.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    Products,
    insert::{RowConflict, StoredIds},
    precondition,
};
use crate::domain::{
    Error, MAX_FIELD_ERRORS, NewProduct, OnConflict, Version, id_taken_error, reject_duplicate_ids,
};

impl Products {
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
        self.check_replace_allowed(on_conflict)?;
        let version = precondition::new_version();
        self.in_transaction(async move |catalog| {
            catalog.advance_id_sequence().await.map_err(Error::from)?;
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
                catalog.store_batch(batch, version, on_conflict).await?;
            }
        })
        .await
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
        let batch = Arc::new(batch);
        let row_conflict = match on_conflict {
            OnConflict::Reject => RowConflict::Skip,
            OnConflict::Replace => RowConflict::Replace,
        };
        let inserted = self.insert_with_retry(&batch, version, row_conflict).await?;
        let stored = inserted.stored_client_ids;
        if matches!(stored, StoredIds::All) {
            return Ok(());
        }
        let sent = batch.iter().filter_map(|product| Some((product.location, product.id?)));
        let taken = sent.filter(|(_, id)| !stored.contains(*id));
        let errors = taken.take(MAX_FIELD_ERRORS).map(|(location, id)| id_taken_error(location, id));
        Err(Error::Duplicate(errors.collect()))
    }
}

fn next<B: Iterator>(mut batches: B) -> (Option<B::Item>, B) {
    (batches.next(), batches)
}
