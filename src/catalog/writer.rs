//! Writes of a request, which are not batched if the request has an idempotency key.

use std::fmt::Display;

use super::{Catalog, Transaction};
use crate::{
    audit::{self, ChangedProducts},
    domain::{
        Error, Filter, NewProduct, OnConflict, Precondition, Product, ProductChange, ProductId, ReadFrom,
        StockAdjustment,
    },
};

/// Access to the products for a request that changes them, with or without an idempotency key.
pub enum Writer {
    /// The catalog, for requests without a key. Writes share statements with other requests.
    Catalog(Catalog),
    /// The transaction that also stores the response, for requests with a key.
    Transaction(Transaction),
}

impl Writer {
    /// Returns one product, with the changes of this request.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::get`].
    pub async fn get(&self, id: ProductId) -> Result<Product, Error> {
        match self {
            Self::Catalog(catalog) => catalog.get_from(id, ReadFrom::Primary).await,
            Self::Transaction(transaction) => Box::pin(transaction.get(id)).await,
        }
    }

    /// Creates one product and returns it.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create`].
    pub async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        let change = self.change(store_operation(on_conflict), "");
        let result = match self {
            Self::Catalog(catalog) => catalog.create(new, on_conflict).await,
            Self::Transaction(transaction) => Box::pin(transaction.create(new, on_conflict)).await,
        };
        self.complete(change, result)
    }

    /// Creates all of the products or none, and returns them in the given order.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create_many`].
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        on_conflict: OnConflict,
    ) -> Result<Vec<Product>, Error> {
        let change = self.change(store_operation(on_conflict), "");
        let result = match self {
            Self::Catalog(catalog) => catalog.create_many(new, on_conflict).await,
            Self::Transaction(transaction) => transaction.create_many(new, on_conflict).await,
        };
        self.complete(change, result)
    }

    /// Changes one product and returns its new state.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::update`].
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        let audited = self.change("update", id);
        let result = match self {
            Self::Catalog(catalog) => catalog.update(id, change, precondition).await,
            Self::Transaction(transaction) => Box::pin(transaction.update(id, change, precondition)).await,
        };
        self.complete(audited, result)
    }

    /// Replaces all of the products or none, and returns them in the given order.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::replace_many`].
    pub async fn replace_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        let audited = self.change("replace", "");
        let result = match self {
            Self::Catalog(catalog) => catalog.replace_many(new).await,
            Self::Transaction(transaction) => transaction.replace_many(new).await,
        };
        self.complete(audited, result)
    }

    /// Adds a quantity to the amount of a product and returns the changed product.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::adjust_stock`].
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        delta: StockAdjustment,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        let audited = self.change("adjust_stock", id);
        let result = match self {
            Self::Catalog(catalog) => catalog.adjust_stock(id, delta, precondition).await,
            Self::Transaction(transaction) => {
                Box::pin(transaction.adjust_stock(id, delta, precondition)).await
            }
        };
        self.complete(audited, result)
    }

    /// Deletes one product and returns its last state.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::delete`].
    pub async fn delete(&self, id: ProductId, precondition: &Precondition) -> Result<Product, Error> {
        let audited = self.change("delete", id);
        let result = match self {
            Self::Catalog(catalog) => catalog.delete(id, precondition).await,
            Self::Transaction(transaction) => Box::pin(transaction.delete(id, precondition)).await,
        };
        self.complete(audited, result)
    }

    /// Deletes the products that match the filter and returns their number.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::delete_many`].
    pub async fn delete_many(&self, filter: &Filter) -> Result<u64, Error> {
        let audited = self.change("delete", filter);
        let result = match self {
            Self::Catalog(catalog) => catalog.delete_many(filter).await,
            Self::Transaction(transaction) => transaction.delete_many(filter).await,
        };
        self.complete(audited, result)
    }

    /// Stores the products of all batches or none, and returns their number.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::import`].
    pub async fn import<B, E>(&self, batches: B, on_conflict: OnConflict) -> Result<u64, E>
    where
        B: Iterator<Item = Result<Vec<NewProduct>, E>> + Send + 'static,
        E: From<Error> + Display + Send + 'static,
    {
        let operation = match on_conflict {
            OnConflict::Reject => "import",
            OnConflict::Replace => "import_or_replace",
        };
        let audited = self.change(operation, "");
        let result = match self {
            Self::Catalog(catalog) => catalog.import(batches, on_conflict).await,
            Self::Transaction(transaction) => transaction.import(batches, on_conflict).await,
        };
        self.complete(audited, result)
    }

    /// Begins a change for the audit log.
    fn change(&self, operation: &'static str, products: impl Display) -> audit::Change {
        let transaction = match self {
            Self::Catalog(_) => None,
            Self::Transaction(transaction) => Some(transaction.audit.clone()),
        };
        audit::Change::new(operation, products, transaction)
    }

    /// Completes a change with its result, and returns the result. Later reads of the client include the change. A
    /// transaction records its position after the commit.
    fn complete<T: ChangedProducts, E: Display>(
        &self,
        change: audit::Change,
        result: Result<T, E>,
    ) -> Result<T, E> {
        if let Self::Catalog(catalog) = self {
            catalog.record_written();
        }
        change.complete(result)
    }
}

fn store_operation(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Reject => "create",
        OnConflict::Replace => "create_or_replace",
    }
}
