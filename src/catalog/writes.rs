//! Changes and deletions of one product, each a single statement: whoever is cut off leaves nothing half done.

use entity::product;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{Catalog, Error, Product, ProductChange, ProductId};

impl Catalog {
    /// Changes one product and returns it as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the database fails.
    pub async fn update(&self, id: ProductId, change: ProductChange) -> Result<Product, Error> {
        let ProductChange { name, price, amount } = change;
        if name.is_none() && price.is_none() && amount.is_none() {
            return self.get(id).await;
        }
        let changed = product::Entity::update_many()
            .set(product::ActiveModel {
                name: name.map(Set).unwrap_or_default(),
                price: price.map(Set).unwrap_or_default(),
                amount: amount.map(Set).unwrap_or_default(),
                ..Default::default()
            })
            .filter(product::COLUMN.id.eq(id))
            .exec_with_returning(self.database.writes())
            .await?;
        changed.into_iter().next().ok_or_else(|| Error::not_found(id))
    }

    /// Deletes one product and returns it as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the database fails.
    pub async fn delete(&self, id: ProductId) -> Result<Product, Error> {
        // Not `delete_by_id`: on SQLite its RETURNING is read only up to the first row, before the commit.
        let deleted = product::Entity::delete_many()
            .filter(product::COLUMN.id.eq(id))
            .exec_with_returning(self.database.writes())
            .await?;
        deleted.into_iter().next().ok_or_else(|| Error::not_found(id))
    }
}
