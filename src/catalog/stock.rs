//! Stock adjustments: relative changes of an amount, exact under concurrency and never below zero.

use entity::product;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, prelude::Expr};

use super::{Products, precondition::MAX_ATTEMPTS};
use crate::domain::{Amount, Error, Precondition, Product, ProductId, StockAdjustment};

impl Products {
    /// Adds a quantity to the amount of a product and returns the changed product.
    ///
    /// # Errors
    /// Returns [`Error::InsufficientStock`] or [`Error::TooMuchStock`] if the amount would leave its range,
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::VersionRequired`], or a database error.
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        delta: StockAdjustment,
        precondition: &Precondition,
    ) -> Result<Product, Error> {
        let delta = i64::from(delta.get());
        let row = self.match_row(id, precondition)?;
        let new_amount = || product::Column::Amount.into_expr().add(delta);
        for _ in 0..MAX_ATTEMPTS {
            let changed = product::Entity::update_many()
                .col_expr(product::Column::Amount, new_amount())
                .col_expr(product::Column::Version, Expr::col(product::Column::Version).add(1))
                .filter(row.clone())
                .filter(new_amount().between(0, Amount::MAX))
                .exec_with_returning(self.0.database.writes())
                .await?;
            if let Some(product) = changed.into_iter().next() {
                self.0.feed.notify_changed();
                return Ok(product);
            }
            let current = self.get_from(self.0.database.writes(), id).await?;
            if !precondition.matches(current.version) {
                return Err(Error::VersionMismatch(current.version));
            }
            match i64::from(current.amount.get()) + delta {
                ..0 => return Err(Error::InsufficientStock(current.amount)),
                after if after > i64::from(Amount::MAX) => return Err(Error::TooMuchStock(current.amount)),
                // Another change has just made the adjustment possible.
                _ => {}
            }
        }
        Err(Error::Unavailable)
    }
}
