//! Changes and deletions of one product, each a single statement: whoever is cut off leaves nothing half done.

use entity::product;
use sea_orm::{ActiveValue::Set, EntityTrait, ExprTrait, QueryFilter, prelude::Expr};

use super::{Catalog, Error, Expected, Product, ProductChange, ProductId};

impl Catalog {
    /// Changes one product and returns it as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or the database fails.
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        expected: &Expected,
    ) -> Result<Product, Error> {
        let row = self.row(id, expected)?;
        if change.is_empty() {
            let found = product::Entity::find().filter(row).one(self.database.writes()).await?;
            return self.found(found, id, expected).await;
        }
        let ProductChange { name, price, amount } = change;
        let changed = product::Entity::update_many()
            .set(product::ActiveModel {
                name: name.map(Set).unwrap_or_default(),
                price: price.map(Set).unwrap_or_default(),
                amount: amount.map(Set).unwrap_or_default(),
                ..Default::default()
            })
            .col_expr(product::Column::Version, Expr::col(product::Column::Version).add(1))
            .filter(row)
            .exec_with_returning(self.database.writes())
            .await?;
        self.feed.changed();
        self.found(changed.into_iter().next(), id, expected).await
    }

    /// Deletes one product and returns it as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or the database fails.
    pub async fn delete(&self, id: ProductId, expected: &Expected) -> Result<Product, Error> {
        // Not `delete_by_id`: on SQLite its RETURNING is read only up to the first row, before the commit.
        let deleted = product::Entity::delete_many()
            .filter(self.row(id, expected)?)
            .exec_with_returning(self.database.writes())
            .await?;
        self.feed.changed();
        self.found(deleted.into_iter().next(), id, expected).await
    }
}
