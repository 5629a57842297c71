//! A product as it is stored.

use sea_orm::entity::prelude::*;

use crate::{Amount, Name, Price, ProductId, Version};

/// One row of the table `product`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    /// Chosen by the client or generated.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// What it is called.
    pub name: Name,
    /// What one piece costs.
    pub price: Price,
    /// How many pieces are in stock.
    pub amount: Amount,
    /// Which state of the product this is.
    pub version: Version,
}

impl ActiveModelBehavior for ActiveModel {}
