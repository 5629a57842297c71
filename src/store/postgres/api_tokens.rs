//! API tokens.

use async_trait::async_trait;
use entity::api_token;
use sea_orm::sqlx::{Row, postgres::PgRow};

use super::{BACKEND, Postgres};
use crate::{
    domain::{ApiToken, TokenId},
    store::{ApiTokens, StoreError, TokenEnd, row, sql},
};

#[async_trait]
impl ApiTokens for Postgres {
    async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let rows = self.pool.acquire().await?.query(sql::api_token::select(BACKEND)).await?;
        rows.iter().map(api_token).collect()
    }

    async fn insert_api_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        let insert = sql::api_token::insert(token, BACKEND);
        self.pool.acquire_for_write().await?.connection.execute(insert).await.map(drop)
    }

    async fn end_api_token(&self, id: TokenId, end: TokenEnd) -> Result<(), StoreError> {
        let update = sql::api_token::end(id, end, BACKEND);
        self.pool.acquire_for_write().await?.connection.execute(update).await.map(drop)
    }

    async fn set_api_tokens_used(&self, ids: &[TokenId], time: i64) -> Result<(), StoreError> {
        let update = sql::api_token::set_last_used(ids, time, BACKEND);
        self.pool.acquire_for_write().await?.connection.execute(update).await.map(drop)
    }
}

fn api_token(row: &PgRow) -> Result<ApiToken, StoreError> {
    row::api_token(model(row)?)
}

/// Converts a row with the entity's columns.
pub(super) fn model(row: &PgRow) -> Result<api_token::Model, StoreError> {
    Ok(api_token::Model {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        digest: row.try_get(2)?,
        scopes: row.try_get(3)?,
        created_at: row.try_get(4)?,
        expires_at: row.try_get(5)?,
        revoked_at: row.try_get(6)?,
        last_used_at: row.try_get(7)?,
    })
}
