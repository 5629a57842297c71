//! API tokens.

use async_trait::async_trait;
use entity::api_token;
use rusqlite::{Result, Row};

use super::{BACKEND, Sqlite, values};
use crate::{
    domain::{ApiToken, TokenId},
    store::{ApiTokens, StoreError, TokenEnd, row, sql},
};

#[async_trait]
impl ApiTokens for Sqlite {
    async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.select(sql::api_token::select(BACKEND), api_token).await
    }

    async fn insert_api_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        self.execute("INSERT", sql::api_token::insert(token, BACKEND)).await
    }

    async fn end_api_token(&self, id: TokenId, end: TokenEnd) -> Result<(), StoreError> {
        self.execute("UPDATE", sql::api_token::end(id, end, BACKEND)).await
    }

    async fn set_api_tokens_used(&self, ids: &[TokenId], time: i64) -> Result<(), StoreError> {
        self.execute("UPDATE", sql::api_token::set_last_used(ids, time, BACKEND)).await
    }
}

fn api_token(row: &Row<'_>) -> Result<ApiToken> {
    row::api_token(model(row)?).map_err(values::invalid_data)
}

/// Converts a row with the entity's columns.
pub(super) fn model(row: &Row<'_>) -> Result<api_token::Model> {
    Ok(api_token::Model {
        id: row.get(0)?,
        name: row.get(1)?,
        digest: row.get(2)?,
        scopes: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        revoked_at: row.get(6)?,
        last_used_at: row.get(7)?,
    })
}
