//! Creates any number of products, all or none.

use super::{
    Catalog,
    batching::{
        batcher::Batcher,
        create_batch::{BatchOutcome, CreateBatch},
    },
    insert::{insert_all, row_conflict},
};
use crate::{
    domain::{Error, NewProduct, OnConflict, Product, reject_duplicate_ids},
    store::RowConflict,
};

impl Catalog {
    /// Creates one product, or replaces an existing one with [`OnConflict::Replace`].
    ///
    /// # Errors
    /// Returns [`Error::Duplicate`], [`Error::IdsExhausted`], [`Error::VersionRequired`] if a replacement
    /// was requested, or a database error.
    pub async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        self.check_replace_allowed(on_conflict)?;
        let (batcher, row_conflict): (&Batcher<_, _>, _) = match on_conflict {
            OnConflict::Reject => (&self.inner.batches.creates, RowConflict::Fail),
            OnConflict::Replace => (&self.inner.batches.upserts, RowConflict::Replace),
        };
        let batch = || CreateBatch { catalog: self.clone(), row_conflict };
        match batcher.submit(new, batch).await? {
            BatchOutcome::Done(result) => result,
            BatchOutcome::RetryAlone(new) => {
                let mut created = Box::pin(self.create_alone(vec![new], row_conflict)).await?;
                created.pop().ok_or(Error::Internal)
            }
        }
    }

    /// Creates all of the products or none, and returns them in the given order.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create`]. [`Error::Duplicate`] lists products whose ids are taken or
    /// repeated, up to `MAX_FIELD_ERRORS`.
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        on_conflict: OnConflict,
    ) -> Result<Vec<Product>, Error> {
        reject_duplicate_ids(&new)?;
        self.check_replace_allowed(on_conflict)?;
        let row_conflict = row_conflict(on_conflict);
        if on_conflict == OnConflict::Replace || new.is_empty() {
            return self.create_alone(new, row_conflict).await;
        }
        let batch = || CreateBatch { catalog: self.clone(), row_conflict };
        match self.inner.batches.array_creates.submit(new, batch).await? {
            BatchOutcome::Done(result) => result,
            BatchOutcome::RetryAlone(new) => self.create_alone(new, row_conflict).await,
        }
    }

    async fn create_alone(
        &self,
        new: Vec<NewProduct>,
        row_conflict: RowConflict,
    ) -> Result<Vec<Product>, Error> {
        let created = insert_all(self.store(), new, row_conflict).await?;
        self.inner.feed.notify_changed();
        Ok(created)
    }
}
