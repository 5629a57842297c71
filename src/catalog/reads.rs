//! Reads of one product.

use entity::product;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Catalog, Error, Product, ProductId};
use crate::database::Connection;

impl Catalog {
    /// Reads one product.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the database fails.
    pub async fn get(&self, id: ProductId) -> Result<Product, Error> {
        self.get_from(self.database.reads(), id).await
    }

    /// Reads several products; those that are not there are left out.
    ///
    /// # Errors
    /// The database fails.
    pub async fn get_many(&self, ids: Vec<ProductId>) -> Result<Vec<Product>, Error> {
        Ok(product::Entity::find().filter(product::Column::Id.is_in(ids)).all(self.database.reads()).await?)
    }

    pub(super) async fn get_from(&self, from: &Connection, id: ProductId) -> Result<Product, Error> {
        let found = product::Entity::find_by_id(id).one(from).await?;
        found.ok_or_else(|| Error::not_found(id))
    }
}

/// Reads the id of a product that should be there.
///
/// # Errors
/// [`Error::Invalid`] where it is no whole number, [`Error::NotFound`] where it is one that no product can
/// have.
pub fn existing_id(text: &str) -> Result<ProductId, Error> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid("id", "must be a whole number"));
    }
    text.parse().map_err(|_| Error::NotFound(text.to_owned()))
}
