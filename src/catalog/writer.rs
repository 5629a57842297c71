//! Writes of a request, which are not batched if the request has an idempotency key.

use std::ops::Deref;

use super::{Catalog, Products};
use crate::domain::{Error, NewProduct, OnConflict, Product};

/// Write access of a request with or without an idempotency key.
pub enum Writer {
    /// The catalog, for requests without a key. Creates share statements with other requests.
    Catalog(Catalog),
    /// The transaction that also stores the response, for requests with a key.
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
    /// Creates one product and returns it.
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::create`].
    pub async fn create(&self, new: NewProduct, on_conflict: OnConflict) -> Result<Product, Error> {
        match self {
            Self::Catalog(catalog) => catalog.create(new, on_conflict).await,
            Self::Transaction(products) => Box::pin(products.create(new, on_conflict)).await,
        }
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
        match self {
            Self::Catalog(catalog) => catalog.create_many(new, on_conflict).await,
            Self::Transaction(products) => products.create_many(new, on_conflict).await,
        }
    }
}
