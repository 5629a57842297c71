//! A logged change of a product.

use sea_orm::entity::prelude::*;

use crate::{ProductId, Version};

/// A change in the change log, whose stored rows may each hold many changes. On PostgreSQL, this is a row of
/// the view `product_change`, which ungroups the table `product_change_log`. On SQLite, the table
/// `product_change` also has grouped rows, with the additional columns `first_seq` and `product_ids`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_change")]
pub struct Model {
    /// Transaction id, the first part of the log position; 0 on SQLite.
    #[sea_orm(primary_key, auto_increment = false, column_name = "xact")]
    pub transaction_id: i64,
    /// Sequence number, which orders the changes of a transaction.
    #[sea_orm(primary_key, auto_increment = false, column_name = "seq")]
    pub sequence: i64,
    /// Time of the change, in seconds since 1970 (UTC).
    pub at: i64,
    /// Kind: 1 created, 2 updated, 3 only the amount changed, 4 deleted. 0 is a sentinel row, which only
    /// marks a log position.
    pub kind: i16,
    /// Id of the changed product; `None` for a sentinel row.
    pub product_id: Option<ProductId>,
    /// Version after the change; for a deletion, the last version. `None` for a sentinel row.
    pub version: Option<Version>,
}

impl ActiveModelBehavior for ActiveModel {}
