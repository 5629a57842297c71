//! Rows of the tables `product` and `api_token`.

use entity::api_token;

use super::StoreError;
use crate::domain::{Amount, ApiToken, Name, Price, Product, ProductId, TokenDigest};

/// Values of a row of `product`, in the order of the entity's columns.
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

/// Converts a row to an API token.
///
/// # Errors
/// Returns [`StoreError::InvalidData`] if a value breaks a rule of the domain.
pub(super) fn api_token(row: api_token::Model) -> Result<ApiToken, StoreError> {
    let api_token::Model { id, name, digest, scopes, created_at, expires_at, revoked_at, last_used_at } = row;
    let invalid = |error| StoreError::InvalidData(Box::new(error));
    let digest =
        digest.try_into().map_err(|_| StoreError::InvalidData("a digest must have 32 bytes".into()))?;
    Ok(ApiToken {
        id: id.parse().map_err(invalid)?,
        name: name.parse().map_err(invalid)?,
        digest: TokenDigest(digest),
        scopes: scopes.parse().map_err(invalid)?,
        created_at,
        expires_at,
        revoked_at,
        last_used_at,
    })
}
