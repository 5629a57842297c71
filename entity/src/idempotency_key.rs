//! The stored response of a request with an idempotency key.

use sea_orm::entity::prelude::*;

/// A row of the table `idempotency_key`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_key")]
pub struct Model {
    /// Key chosen by the client.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Digest of the first request with this key.
    pub fingerprint: Vec<u8>,
    /// Response to the first request with this key.
    #[sea_orm(column_name = "answer")]
    pub response: String,
    /// Time of the first request, in seconds since 1970 (UTC).
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
