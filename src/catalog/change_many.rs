//! Replacements and deletions of many products, all or none.

use std::sync::Arc;

use super::{Catalog, Transaction};
use crate::{
    domain::{Error, FieldError, Filter, MAX_FIELD_ERRORS, NewProduct, Product, reject_duplicate_ids},
    store::ProductStatements,
};

impl Catalog {
    /// Replaces all of the products or none, and returns them in the given order.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a product has no id, [`Error::MissingProducts`] if a product does not
    /// exist, [`Error::Duplicate`] if an id is repeated, [`Error::VersionRequired`], or a database error.
    pub async fn replace_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        self.check_changes_without_version_allowed()?;
        let replaced = replace_all(self.store(), new).await?;
        self.inner.feed.notify_changed();
        Ok(replaced)
    }

    /// Deletes the products that match the filter and returns their number.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] for an empty filter, which would delete every product,
    /// [`Error::VersionRequired`], or a database error.
    pub async fn delete_many(&self, filter: &Filter) -> Result<u64, Error> {
        self.check_changes_without_version_allowed()?;
        let deleted = delete_matching(self.store(), filter).await?;
        self.inner.feed.notify_changed();
        Ok(deleted)
    }

    /// Returns an error if versions are required, because a change of many products cannot name them.
    fn check_changes_without_version_allowed(&self) -> Result<(), Error> {
        if self.inner.options.require_version { Err(Error::VersionRequired) } else { Ok(()) }
    }
}

impl Transaction {
    /// Replaces all of the products or none. See [`Catalog::replace_many`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::replace_many`].
    pub async fn replace_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        self.catalog.check_changes_without_version_allowed()?;
        replace_all(&*self.store, new).await
    }

    /// Deletes the products that match the filter. See [`Catalog::delete_many`].
    ///
    /// # Errors
    /// Returns the errors of [`Catalog::delete_many`].
    pub async fn delete_many(&self, filter: &Filter) -> Result<u64, Error> {
        self.catalog.check_changes_without_version_allowed()?;
        delete_matching(&*self.store, filter).await
    }
}

async fn replace_all<S: ProductStatements + ?Sized>(
    store: &S,
    new: Vec<NewProduct>,
) -> Result<Vec<Product>, Error> {
    let without_id = new.iter().filter(|product| product.id.is_none());
    let errors: Vec<_> =
        without_id.take(MAX_FIELD_ERRORS).map(|product| id_error(product, "is required")).collect();
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    reject_duplicate_ids(&new)?;
    let new = Arc::new(new);
    let versions = store.replace_many(new.clone()).await?;
    if versions.len() < new.len() {
        return Err(missing_products(store, &new).await?);
    }
    let products = Arc::unwrap_or_clone(new).into_iter().map(|new| {
        let NewProduct { location: _, id, name, price, amount } = new;
        let id = id.ok_or(Error::Internal)?;
        let version = *versions.get(&id).ok_or(Error::Internal)?;
        Ok(Product { id, name, price, amount, version })
    });
    products.collect()
}

async fn delete_matching<S: ProductStatements + ?Sized>(store: &S, filter: &Filter) -> Result<u64, Error> {
    if filter.is_empty() {
        return Err(Error::invalid("id", "is required unless another filter is set"));
    }
    Ok(store.delete_many(filter).await?)
}

/// Returns an error with the products that do not exist.
async fn missing_products<S: ProductStatements + ?Sized>(
    store: &S,
    new: &[NewProduct],
) -> Result<Error, Error> {
    let ids = new.iter().filter_map(|product| product.id).collect();
    let mut existing = store.existing_ids(ids).await?;
    existing.sort_unstable();
    let is_missing = |new: &&NewProduct| new.id.is_some_and(|id| existing.binary_search(&id).is_err());
    let missing = new.iter().filter(is_missing).take(MAX_FIELD_ERRORS);
    let errors: Vec<_> = missing.map(|product| id_error(product, "does not exist")).collect();
    // Another client may have created the missing products since the update.
    Ok(if errors.is_empty() { Error::Unavailable } else { Error::MissingProducts(errors) })
}

fn id_error(product: &NewProduct, detail: &'static str) -> FieldError {
    FieldError { location: product.location, field: "id", detail: detail.into() }
}
