//! Updates and deletions of one product. Each is one statement, which is atomic even if the request is
//! dropped.

use entity::product;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, ExprTrait, QueryFilter, prelude::Expr};

use super::{Products, precondition::MAX_ATTEMPTS};
use crate::domain::{Error, Precondition, Product, ProductChange, ProductId};

impl Products {
    /// Changes one product and returns its new state.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or a database
    /// error.
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        let row = self.match_row(id, precondition)?;
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
                self.0.feed.notify_changed();
                changed.into_iter().next()
            } else {
                product::Entity::find().filter(row.clone()).one(self.0.database.writes()).await?
            };
            match found {
                Some(product) => return Ok(product),
                None => self.explain_no_match(id, precondition).await?,
            }
        }
        Err(Error::Unavailable)
    }

    /// Deletes one product and returns its last state.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or a database
    /// error.
    pub async fn delete(&self, id: ProductId, precondition: &Precondition) -> Result<Product, Error> {
        let row = self.match_row(id, precondition)?;
        for _ in 0..MAX_ATTEMPTS {
            // `delete_by_id` would stop reading after the first returned row, before SQLite commits.
            let deleted = product::Entity::delete_many()
                .filter(row.clone())
                .exec_with_returning(self.0.database.writes())
                .await?;
            self.0.feed.notify_changed();
            match deleted.into_iter().next() {
                Some(product) => return Ok(product),
                None => self.explain_no_match(id, precondition).await?,
            }
        }
        Err(Error::Unavailable)
    }
}
