//! API tokens.

use async_trait::async_trait;
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
    let columns = (
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    );
    row::api_token(columns).map_err(values::invalid_data)
}
