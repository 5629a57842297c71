//! Totals of the inventory, for metrics.

use entity::product;
use sea_orm::{EntityTrait, ExprTrait, QuerySelect, prelude::Expr, sea_query::Func};

use super::Products;
use crate::domain::Error;

impl Products {
    /// Returns the number of products and the sum of their amounts. Reads the whole table.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn totals(&self) -> Result<(u64, u64), Error> {
        let count = Expr::col(product::Column::Id).count();
        let stock =
            Func::coalesce([Expr::col(product::Column::Amount).sum().cast_as("bigint"), Expr::val(0_i64)]);
        let query = product::Entity::find().select_only().expr(count).expr(stock);
        let totals = query.into_tuple::<(i64, i64)>().one(self.0.database.reads()).await?;
        let (products, stock) = totals.unwrap_or_default();
        Ok((u64::try_from(products).unwrap_or_default(), u64::try_from(stock).unwrap_or_default()))
    }
}
