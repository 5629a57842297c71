//! Something that happened to a product, as it is written down.

use sea_orm::entity::prelude::*;

use crate::{ProductId, Version};

/// One change. On PostgreSQL a row of the view `product_change` of `product_change_log`, whose rows hold many; on SQLite of the
/// table, whose rows can hold many, too (`first_seq`, `product_ids`).
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_change")]
pub struct Model {
    /// The transaction, which orders the changes first; 0 on SQLite.
    #[sea_orm(primary_key, auto_increment = false)]
    pub xact: i64,
    /// Orders the changes of a transaction.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// 1 created, 2 updated, 3 only the amount changed, 4 deleted; 0 is no change but a mark to stand on.
    pub kind: i16,
    /// Which product; none for a mark.
    pub product_id: Option<ProductId>,
    /// The version that it has since, or had last.
    pub version: Option<Version>,
}

impl ActiveModelBehavior for ActiveModel {}
