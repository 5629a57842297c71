//! Replacements and deletions of many products, all or none.

use std::sync::Arc;

use super::Catalog;
use crate::domain::{Error, FieldError, Filter, MAX_FIELD_ERRORS, NewProduct, Product, reject_duplicate_ids};

impl Catalog {
    /// Replaces all of the products or none, and returns them in the given order.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a product has no id, [`Error::MissingProducts`] if a product does not
    /// exist, [`Error::Duplicate`] if an id is repeated, [`Error::VersionRequired`], or a database error.
    pub async fn replace_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        if self.inner.options.require_version {
            return Err(Error::VersionRequired);
        }
        let without_id = new.iter().filter(|product| product.id.is_none());
        let errors: Vec<_> =
            without_id.take(MAX_FIELD_ERRORS).map(|product| id_error(product, "is required")).collect();
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        reject_duplicate_ids(&new)?;
        let new = Arc::new(new);
        let versions = self.store().replace_many(new.clone()).await?;
        if versions.len() < new.len() {
            return Err(self.missing_products(&new).await?);
        }
        self.inner.feed.notify_changed();
        let products = Arc::unwrap_or_clone(new).into_iter().map(|new| {
            let NewProduct { location: _, id, name, price, amount } = new;
            let id = id.ok_or(Error::Internal)?;
            let version = *versions.get(&id).ok_or(Error::Internal)?;
            Ok(Product { id, name, price, amount, version })
        });
        products.collect()
    }

    /// Deletes the products that match the filter and returns their number.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] for an empty filter, which would delete every product,
    /// [`Error::VersionRequired`], or a database error.
    pub async fn delete_many(&self, filter: &Filter) -> Result<u64, Error> {
        if self.inner.options.require_version {
            return Err(Error::VersionRequired);
        }
        if filter.is_empty() {
            return Err(Error::invalid("id", "is required unless another filter is set"));
        }
        let deleted = self.store().delete_many(filter).await?;
        self.inner.feed.notify_changed();
        Ok(deleted)
    }

    /// Returns an error with the products that do not exist.
    async fn missing_products(&self, new: &[NewProduct]) -> Result<Error, Error> {
        let ids = new.iter().filter_map(|product| product.id).collect();
        let mut existing = self.store().existing_ids(ids).await?;
        existing.sort_unstable();
        let is_missing = |new: &&NewProduct| new.id.is_some_and(|id| existing.binary_search(&id).is_err());
        let missing = new.iter().filter(is_missing).take(MAX_FIELD_ERRORS);
        let errors: Vec<_> = missing.map(|product| id_error(product, "does not exist")).collect();
        // Another client may have created the missing products since the update.
        Ok(if errors.is_empty() { Error::Unavailable } else { Error::MissingProducts(errors) })
    }
}

fn id_error(product: &NewProduct, detail: &'static str) -> FieldError {
    FieldError { location: product.location, field: "id", detail: detail.into() }
}
