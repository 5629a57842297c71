//! Transactions of several statements.

use std::sync::Arc;

use super::{
    Catalog,
    insert::{insert_all, row_conflict},
};
use crate::{
    audit::TransactionLines,
    domain::{
        Error, NewProduct, OnConflict, Precondition, Product, ProductChange, ProductId, StockAdjustment,
        WriteAction, reject_duplicate_ids,
    },
    panics,
    request_context::ContextSnapshot,
    store,
};

/// Operations within a transaction, which are not batched. Cheap to clone.
#[derive(Clone)]
pub struct Transaction {
    pub(super) catalog: Catalog,
    pub(super) store: Arc<dyn store::Transaction>,
    pub(super) audit: TransactionLines,
}

impl Catalog {
    /// Runs `work` in a transaction and returns its result. The transaction is committed only if `work`
    /// succeeds.
    ///
    /// Once the transaction has begun, it runs in its own task, so that it is completed even if the caller is
    /// dropped.
    pub(super) async fn in_transaction<T, E, F>(
        &self,
        work: impl FnOnce(Transaction) -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let catalog = self.clone();
        // A request that is dropped while it waits for the transaction leaves nothing.
        let store = catalog.store().begin().await.map_err(Error::from)?;
        let audit = TransactionLines::default();
        let transaction =
            Transaction { catalog: catalog.clone(), store: store.clone(), audit: audit.clone() };
        let task = async move {
            match work(transaction).await {
                Ok(value) => {
                    let committed = store.commit().await;
                    match committed {
                        Ok(()) => audit.committed(),
                        Err(_) => audit.ended_without_commit("unknown"),
                    }
                    committed.map_err(Error::from)?;
                    catalog.record_written();
                    catalog.inner.feed.notify_changed();
                    Ok(value)
                }
                Err(error) => {
                    audit.ended_without_commit("rolled back");
                    // If this fails, the transaction ends when it is dropped.
                    let _ = store.roll_back().await;
                    Err(error)
                }
            }
        };
        let result = tokio::spawn(ContextSnapshot::capture().scope(task)).await;
        panics::resume_panic(result).unwrap_or_else(|| Err(Error::Unavailable.into()))
    }
}

impl Transaction {
    /// Creates one product. See [`Catalog::create`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create`].
    pub async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        self.create_many(vec![new], on_conflict).await?.pop().ok_or(Error::Internal)
    }

    /// Creates all of the products or none. See [`Catalog::create_many`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create_many`].
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        on_conflict: OnConflict,
    ) -> Result<Vec<Product>, Error> {
        reject_duplicate_ids(&new)?;
        self.catalog.check_replace_allowed(on_conflict)?;
        insert_all(&*self.store, new, row_conflict(on_conflict)).await
    }

    /// Returns one product. See [`Catalog::get`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::get`].
    pub async fn get(&self, id: ProductId) -> Result<Product, Error> {
        self.store.get_many(&[id]).await?.pop().ok_or_else(|| Error::not_found(id))
    }

    /// Changes one product. See [`Catalog::update`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::update`].
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        self.write(id, WriteAction::Update(change), precondition).await
    }

    /// Adds a quantity to the amount of a product. See [`Catalog::adjust_stock`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::adjust_stock`].
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        delta: StockAdjustment,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        self.write(id, WriteAction::AdjustStock(delta), precondition).await
    }

    /// Deletes one product. See [`Catalog::delete`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::delete`].
    pub async fn delete(&self, id: ProductId, precondition: &Precondition) -> Result<Product, Error> {
        self.write(id, WriteAction::Delete, precondition).await
    }

    async fn write(
        &self,
        id: ProductId,
        action: WriteAction,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        self.store.write(self.catalog.product_write(id, action, precondition)?).await?
    }
}
