//! Stock movements: relative, exact however many come at once, never below zero.

use entity::{Amount, DecimalText, InvalidValue, product};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, prelude::Expr};

use super::{
    Catalog, Error, Location, Precondition, Product, ProductId,
    draft::{FromValue, Validator, Value},
    precondition::MAX_ATTEMPTS,
};

/// What is added to an amount, or taken from it: at most 2^31 − 1 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockAdjustment(i32);

impl StockAdjustment {
    /// Checks a delta as sent.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(delta: &Value) -> Result<Self, Error> {
        let mut check = Validator::new(Location::Root);
        let delta = check.required("delta", delta);
        check.passed(())?;
        delta.ok_or(Error::Internal)
    }
}

impl TryFrom<&DecimalText<'_>> for StockAdjustment {
    type Error = InvalidValue;

    fn try_from(number: &DecimalText) -> Result<Self, InvalidValue> {
        let most = i64::from(Amount::MAX);
        entity::parse_integer(number, -most, most, "must be a whole number from -2147483647 to 2147483647")
            .map(|delta| Self(i32::try_from(delta).unwrap_or_default()))
    }
}

impl FromValue for StockAdjustment {
    fn of(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl Catalog {
    /// Adds to a product's amount, or takes from it; returns the product as it is now.
    ///
    /// # Errors
    /// [`Error::InsufficientStock`] and [`Error::TooMuchStock`] where the amount would leave its range,
    /// [`Error::NotFound`], [`Error::VersionMismatch`], or the database fails.
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        delta: StockAdjustment,
        expected: &Precondition,
    ) -> Result<Product, Error> {
        let delta = i64::from(delta.0);
        let row = self.row(id, expected)?;
        let moved = || product::Column::Amount.into_expr().add(delta);
        for _ in 0..MAX_ATTEMPTS {
            let changed = product::Entity::update_many()
                .col_expr(product::Column::Amount, moved())
                .col_expr(product::Column::Version, Expr::col(product::Column::Version).add(1))
                .filter(row.clone())
                .filter(moved().between(0, Amount::MAX))
                .exec_with_returning(self.0.database.writes())
                .await?;
            if let Some(product) = changed.into_iter().next() {
                self.0.feed.changed();
                return Ok(product);
            }
            let found = self.get_from(self.0.database.writes(), id).await?;
            if !expected.allows(found.version) {
                return Err(Error::VersionMismatch(found.version));
            }
            match i64::from(found.amount.get()) + delta {
                ..0 => return Err(Error::InsufficientStock(found.amount)),
                after if after > i64::from(Amount::MAX) => return Err(Error::TooMuchStock(found.amount)),
                // Somebody else's movement has made it possible just now.
                _ => {}
            }
        }
        Err(Error::Unavailable)
    }
}
