//! An API token, with which a client authenticates.

use sea_orm::entity::prelude::*;

/// A row of the table `api_token`. Times are in seconds since 1970 (UTC).
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_token")]
pub struct Model {
    /// Public part of the token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Name for people.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: Vec<u8>,
    /// Names of the token's scopes, separated by commas.
    pub scopes: String,
    pub created_at: i64,
    /// `None` if the token does not expire.
    pub expires_at: Option<i64>,
    /// `None` if the token is not revoked.
    pub revoked_at: Option<i64>,
    /// Time of the last use, up to a minute late.
    pub last_used_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
