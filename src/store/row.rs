//! Rows of the table `product`.

use super::StoreError;
use crate::domain::{Amount, Name, Price, Product, ProductId};

/// Values of a row, in the order of the entity's columns.
pub(super) type Columns = (i64, String, i64, i32, i64);

/// Converts a row to a product.
///
/// # Errors
/// Returns [`StoreError::InvalidData`] if a value breaks a rule of the domain.
pub(super) fn product((id, name, price, amount, version): Columns) -> Result<Product, StoreError> {
    Ok(Product {
        id: ProductId::try_from(id)?,
        name: Name::try_from(name)?,
        price: Price::from_ten_thousandths(price)?,
        amount: Amount::try_from(amount)?,
        version: version.into(),
    })
}
