//! Creates any number of products, all or none.

use std::{collections::HashSet, sync::Arc};

use entity::product;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Catalog, Products,
    batching::create_batch::{BatchOutcome, CreateBatch},
    insert::{InsertOutcome, Inserted, LockWait, RowConflict, assemble::assemble_products},
    precondition::{self, MAX_ATTEMPTS},
};
use crate::{
    database::is_unique_violation,
    domain::{
        Error, FieldError, MAX_FIELD_ERRORS, NewProduct, OnConflict, Product, ProductId, Version,
        id_taken_error, reject_duplicate_ids,
    },
};

/// Maximum number of ids in one query, well below the parameter limits of the databases.
const IDS_PER_QUERY: usize = 10_000;

impl Catalog {
    /// Creates one product, or replaces an existing one with [`OnConflict::Replace`].
    ///
    /// # Errors
    /// Returns [`Error::Duplicate`], [`Error::IdsExhausted`], [`Error::VersionRequired`] if a replacement
    /// was requested, or a database error.
    pub async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        if on_conflict == OnConflict::Replace {
            return Box::pin(self.inner.products.create(new, on_conflict)).await;
        }
        match self.inner.batches.creates.submit(new, || CreateBatch(self.inner.products.clone())).await? {
            BatchOutcome::Done(result) => result,
            BatchOutcome::RetryAlone(new) => Box::pin(self.inner.products.create(new, on_conflict)).await,
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
        if on_conflict == OnConflict::Replace || new.is_empty() {
            return self.inner.products.create_many(new, on_conflict).await;
        }
        reject_duplicate_ids(&new)?;
        match self
            .inner
            .batches
            .array_creates
            .submit(new, || CreateBatch(self.inner.products.clone()))
            .await?
        {
            BatchOutcome::Done(result) => result,
            BatchOutcome::RetryAlone(new) => self.inner.products.create_many(new, on_conflict).await,
        }
    }
}

impl Products {
    pub(super) async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        let mut created = self.create_many(vec![new], on_conflict).await?;
        created.pop().ok_or(Error::Internal)
    }

    pub(super) async fn create_many(
        &self,
        new: Vec<NewProduct>,
        on_conflict: OnConflict,
    ) -> Result<Vec<Product>, Error> {
        reject_duplicate_ids(&new)?;
        let row_conflict = match on_conflict {
            OnConflict::Reject => RowConflict::Fail,
            OnConflict::Replace => RowConflict::Replace,
        };
        self.check_replace_allowed(on_conflict)?;
        let (new, version) = (Arc::new(new), precondition::new_version());
        let inserted = self.insert_with_retry(&new, version, row_conflict).await?;
        self.0.feed.notify_changed();
        assemble_products(Arc::unwrap_or_clone(new), inserted.generated_ids, version)
    }

    /// Returns an error for replacements if versions are required, because an upsert cannot name a version.
    pub(super) fn check_replace_allowed(&self, on_conflict: OnConflict) -> Result<(), Error> {
        if on_conflict == OnConflict::Replace && self.0.options.require_version {
            Err(Error::VersionRequired)
        } else {
            Ok(())
        }
    }

    /// Inserts all of the products or none. Retries after an id conflict that may have a temporary cause.
    pub(super) async fn insert_with_retry(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
        row_conflict: RowConflict,
    ) -> Result<Inserted, Error> {
        if new.is_empty() {
            return Ok(Inserted::default());
        }
        for _ in 0..MAX_ATTEMPTS {
            let error = match self.insert(new, version, row_conflict, LockWait::Default).await {
                Ok(InsertOutcome::Inserted(inserted)) => return Ok(inserted),
                Ok(InsertOutcome::IdsExhausted) => return Err(Error::IdsExhausted),
                Err(error) => error,
            };
            if !is_unique_violation(&error) {
                return Err(error.into());
            }
            if row_conflict == RowConflict::Fail {
                let conflicts = self.id_conflicts(new).await?;
                if !conflicts.is_empty() {
                    return Err(Error::Duplicate(conflicts));
                }
            }
            // Either the conflicting product has been deleted, or another program has inserted a row with a
            // generated id.
            self.advance_id_sequence().await?;
        }
        tracing::warn!("an insert was abandoned after {MAX_ATTEMPTS} id conflicts in a row");
        Err(Error::Unavailable)
    }

    /// Returns an error for each product whose id is already stored, up to [`MAX_FIELD_ERRORS`].
    pub(super) async fn id_conflicts(&self, new: &[NewProduct]) -> Result<Vec<FieldError>, DbErr> {
        let existing = self.existing_ids(new.iter().filter_map(|product| product.id)).await?;
        let sent = new.iter().filter_map(|product| Some((product.location, product.id?)));
        let conflicts = sent.filter(|(_, id)| existing.contains(&id.get()));
        Ok(conflicts.take(MAX_FIELD_ERRORS).map(|(location, id)| id_taken_error(location, id)).collect())
    }

    /// Returns the ids that belong to existing products.
    pub(super) async fn existing_ids(
        &self,
        ids: impl Iterator<Item = ProductId>,
    ) -> Result<HashSet<i64>, DbErr> {
        let ids: Vec<ProductId> = ids.collect();
        let mut existing = HashSet::new();
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let query = product::Entity::find().select_only().column(product::Column::Id);
            let query = query.filter(product::COLUMN.id.is_in(chunk.iter().copied()));
            existing.extend(query.into_tuple::<i64>().all(self.0.database.writes()).await?);
        }
        Ok(existing)
    }
}
