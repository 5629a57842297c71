//! The answer to a request that may come again.

use sea_orm::entity::prelude::*;

/// One row of the table `idempotency_key`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_key")]
pub struct Model {
    /// Chosen by the client.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// A digest of the request that the key came with.
    pub fingerprint: Vec<u8>,
    /// What it was answered.
    pub answer: String,
    /// When, in seconds since 1970.
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
