//! Builds the stored products from the sent products and the generated ids.

use crate::domain::{Error, NewProduct, Product, ProductId, Version};

/// Returns the products as stored. Generated ids are assigned in ascending order. Returns
/// [`Error::Internal`] if there are too few of them.
pub(in crate::catalog) fn assemble_products(
    new: Vec<NewProduct>,
    mut generated_ids: Vec<i64>,
    version: Version,
) -> Result<Vec<Product>, Error> {
    generated_ids.sort_unstable();
    let mut generated_ids = generated_ids.into_iter();
    let products = new.into_iter().map(|new| {
        let NewProduct { location: _, id, name, price, amount } = new;
        // A generated id is never out of range, because the table has a check constraint.
        let next_generated = || generated_ids.next().and_then(|id| ProductId::try_from(id).ok());
        let id = id.or_else(next_generated).ok_or(Error::Internal)?;
        Ok(Product { id, name, price, amount, version })
    });
    products.collect()
}
