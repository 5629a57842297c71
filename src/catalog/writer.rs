//! The creating half of the catalog, which the transaction of an idempotency key must not batch.

use std::ops::Deref;

use super::{Catalog, Products};
use crate::domain::{Error, NewProduct, OnConflict, Product};

/// What a request with or without an idempotency key changes products through.
pub enum Writer {
    /// Shares statements with other requests.
    Catalog(Catalog),
    /// Belongs to the transaction that also stores the response.
    Transaction(Products),
}

impl Deref for Writer {
    type Target = Products;

    fn deref(&self) -> &Products {
        match self {
            Self::Catalog(catalog) => catalog,
            Self::Transaction(products) => products,
        }
    }
}

impl Writer {
    /// Creates one product.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create`].
    pub async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        match self {
            Self::Catalog(catalog) => catalog.create(new, on_conflict).await,
            Self::Transaction(products) => Box::pin(products.create(new, on_conflict)).await,
        }
    }

    /// Creates all of the products or none.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create_many`].
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        on_conflict: OnConflict,
    ) -> Result<Vec<Product>, Error> {
        match self {
            Self::Catalog(catalog) => catalog.create_many(new, on_conflict).await,
            Self::Transaction(products) => products.create_many(new, on_conflict).await,
        }
    }
}
