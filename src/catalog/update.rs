//! Changes and deletions of one product, each a single statement: whoever is cut off leaves nothing half done.

use entity::product;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, ExprTrait, QueryFilter, prelude::Expr};

use super::{Catalog, Error, Precondition, Product, ProductChange, ProductId, precondition::MAX_ATTEMPTS};

impl Catalog {
    /// Changes one product and returns it as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or the database fails.
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        expected: &Precondition,
    ) -> Result<Product, Error> {
        let row = self.row(id, expected)?;
        let ProductChange { name, price, amount } = change;
        let values = product::ActiveModel {
            name: name.map(Set).unwrap_or_default(),
            price: price.map(Set).unwrap_or_default(),
            amount: amount.map(Set).unwrap_or_default(),
            ..Default::default()
        };
        for _ in 0..MAX_ATTEMPTS {
            let found = if values.is_changed() {
                let changed = product::Entity::update_many()
                    .set(values.clone())
                    .col_expr(product::Column::Version, Expr::col(product::Column::Version).add(1))
                    .filter(row.clone())
                    .exec_with_returning(self.0.database.writes())
                    .await?;
                self.0.feed.changed();
                changed.into_iter().next()
            } else {
                product::Entity::find().filter(row.clone()).one(self.0.database.writes()).await?
            };
            match found {
                Some(product) => return Ok(product),
                None => self.why_missing(id, expected).await?,
            }
        }
        Err(Error::Unavailable)
    }

    /// Deletes one product and returns it as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or the database fails.
    pub async fn delete(&self, id: ProductId, expected: &Precondition) -> Result<Product, Error> {
        let row = self.row(id, expected)?;
        for _ in 0..MAX_ATTEMPTS {
            // Not `delete_by_id`: on SQLite its RETURNING is read only up to the first row, before the commit.
            let deleted = product::Entity::delete_many()
                .filter(row.clone())
                .exec_with_returning(self.0.database.writes())
                .await?;
            self.0.feed.changed();
            match deleted.into_iter().next() {
                Some(product) => return Ok(product),
                None => self.why_missing(id, expected).await?,
            }
        }
        Err(Error::Unavailable)
    }
}
