//! Changes of one product, batched with the changes that wait at the same time.

use super::{Catalog, batching::write_batch::WriteBatch};
use crate::{
    domain::{
        Error, Precondition, Product, ProductChange, ProductId, ProductWrite, StockAdjustment, WriteAction,
    },
    store::{RowWait, WriteOutcome},
};

impl Catalog {
    /// Changes one product and returns its new state.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or a database
    /// error.
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        self.write(id, WriteAction::Update(change), precondition).await
    }

    /// Adds a quantity to the amount of a product and returns the changed product.
    ///
    /// # Errors
    /// Returns [`Error::InsufficientStock`] or [`Error::TooMuchStock`] if the amount would leave its range,
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or a database error.
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        delta: StockAdjustment,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        self.write(id, WriteAction::AdjustStock(delta), precondition).await
    }

    /// Deletes one product and returns its last state.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or a database
    /// error.
    pub async fn delete(&self, id: ProductId, precondition: &Precondition) -> Result<Product, Error> {
        self.write(id, WriteAction::Delete, precondition).await
    }

    async fn write(
        &self,
        id: ProductId,
        action: WriteAction,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        let write = self.product_write(id, action, precondition)?;
        let batches = &self.inner.batches;
        let batch = |wait| move || WriteBatch { catalog: self.clone(), wait };
        match batches.writes.submit(write, batch(RowWait::Skip)).await?? {
            WriteOutcome::Done(result) => result,
            WriteOutcome::Locked(write) => {
                match Box::pin(batches.locked_writes.submit(write, batch(RowWait::Wait))).await?? {
                    WriteOutcome::Done(result) => result,
                    WriteOutcome::Locked(_) => Err(Error::Internal),
                }
            }
        }
    }

    /// Returns the change as the store carries it out.
    ///
    /// # Errors
    /// Returns [`Error::VersionRequired`] if the change must name a version and does not.
    pub(super) fn product_write(
        &self,
        id: ProductId,
        action: WriteAction,
        precondition: &Precondition,
    ) -> Result<ProductWrite, Error> {
        if *precondition == Precondition::None && self.inner.options.require_version {
            return Err(Error::VersionRequired);
        }
        Ok(ProductWrite { id, action, precondition: precondition.clone() })
    }
}
