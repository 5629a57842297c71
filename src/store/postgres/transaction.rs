//! A transaction of several statements.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use sea_orm::Statement;
use tokio::sync::Mutex;

use super::{BACKEND, insert, pool::WriteConnection, products, rows, update};
use crate::{
    domain::{
        Error, Filter, Fingerprint, IdempotencyKey, NewProduct, Product, ProductId, ProductWrite, Version,
    },
    store::{
        Insert, Inserted, KeyState, ProductStatements, RowWait, StoreError, Transaction, WriteOutcome, sql,
    },
};

/// Tries to lock the key, which fails if another instance is processing a request with the same key. The
/// lock is released at the end of the transaction.
const LOCK_KEY: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7264819303))";

/// A connection on which a transaction has begun.
pub(super) struct PostgresTransaction(pub Mutex<WriteConnection>);

/// Runs the expression in a savepoint. If it fails, it has no effect, and the transaction goes on.
macro_rules! in_savepoint {
    ($self:ident, $connection:ident => $run:expr) => {{
        let mut write = $self.0.lock().await;
        let $connection = &mut write.connection;
        $connection.control("SAVEPOINT statement").await?;
        let result = $run.await;
        if result.is_err() {
            $connection.control("ROLLBACK TO SAVEPOINT statement").await?;
        }
        $connection.control("RELEASE SAVEPOINT statement").await?;
        result
    }};
}

#[async_trait]
impl ProductStatements for PostgresTransaction {
    async fn insert(&self, insert: &Insert) -> Result<Inserted, StoreError> {
        in_savepoint!(self, connection => insert::insert(connection, insert))
    }

    async fn existing_ids(&self, ids: Vec<ProductId>) -> Result<Vec<ProductId>, StoreError> {
        in_savepoint!(self, connection => products::existing_ids(connection, &ids))
    }

    async fn skip_used_ids(&self, ids: &[ProductId], wanted: usize) -> Result<(), StoreError> {
        in_savepoint!(self, connection => insert::skip_used_ids(connection, ids, wanted))
    }

    async fn replace_many(
        &self,
        products: Arc<Vec<NewProduct>>,
    ) -> Result<HashMap<ProductId, Version>, StoreError> {
        in_savepoint!(self, connection => products::replace_many(connection, &products))
    }

    async fn delete_many(&self, filter: &Filter) -> Result<u64, StoreError> {
        in_savepoint!(self, connection => connection.execute(sql::delete_many(filter, BACKEND)))
    }
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn get_many(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
        in_savepoint!(self, connection => products::get_many(connection, ids))
    }

    async fn write(&self, write: ProductWrite) -> Result<Result<Product, Error>, StoreError> {
        let writes = vec![write];
        let outcomes =
            in_savepoint!(self, connection => update::write_each(connection, writes, RowWait::Wait))?;
        match outcomes.into_iter().next() {
            Some(WriteOutcome::Done(result)) => Ok(result),
            _ => Ok(Err(Error::Internal)),
        }
    }

    async fn stored_response(
        &self,
        key: &IdempotencyKey,
        created_after: i64,
    ) -> Result<KeyState, StoreError> {
        let mut write = self.0.lock().await;
        let connection = &mut write.connection;
        let lock = Statement::from_sql_and_values(BACKEND, LOCK_KEY, [key.as_str().into()]);
        let is_locked: Vec<bool> = rows::first_column(&connection.query(lock).await?)?;
        if is_locked != [true] {
            return Ok(KeyState::InUse);
        }
        let rows = connection.query(sql::idempotency::select(key, created_after, BACKEND)).await?;
        Ok(rows::stored_response(&rows)?.map_or(KeyState::Unused, KeyState::Stored))
    }

    async fn store_response(
        &self,
        key: &IdempotencyKey,
        fingerprint: &Fingerprint,
        response: String,
        created_at: i64,
    ) -> Result<(), StoreError> {
        let insert = sql::idempotency::insert(key, fingerprint, response, created_at, BACKEND);
        self.0.lock().await.connection.execute(insert).await.map(drop)
    }

    async fn begin_part(&self) -> Result<(), StoreError> {
        self.0.lock().await.connection.control("SAVEPOINT part").await
    }

    async fn roll_back_part(&self) -> Result<(), StoreError> {
        self.0.lock().await.connection.control("ROLLBACK TO SAVEPOINT part").await
    }

    async fn roll_back(&self) -> Result<(), StoreError> {
        self.0.lock().await.connection.roll_back().await
    }

    async fn commit(&self) -> Result<(), StoreError> {
        self.0.lock().await.connection.commit().await
    }
}
