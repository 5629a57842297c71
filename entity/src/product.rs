//! A stored product.

use sea_orm::entity::prelude::*;

use crate::{Amount, Name, Price, ProductId, Version};

/// A row of the table `product`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    /// Id, chosen by the client or generated.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    pub name: Name,
    /// Price of one item.
    pub price: Price,
    /// Number of items in stock.
    pub amount: Amount,
    /// Version, which differs after every change of the product.
    pub version: Version,
}

impl ActiveModelBehavior for ActiveModel {}
