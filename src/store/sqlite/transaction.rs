//! A transaction of several statements on the writer.

use std::{collections::HashMap, sync::Arc, time::Instant};

use async_trait::async_trait;
use rusqlite::Result;

use super::{
    BACKEND, Sqlite, insert, session::SessionHandle, update, values, write_transaction::WriteTransaction,
};
use crate::{
    domain::{
        Error, Filter, Fingerprint, IdempotencyKey, NewProduct, Product, ProductId, ProductWrite, Version,
    },
    store::{Insert, Inserted, KeyState, ProductStatements, StoreError, Transaction, sql},
};

pub(super) struct SqliteTransaction {
    pub store: Sqlite,
    pub session: SessionHandle,
}

impl Sqlite {
    pub(super) async fn begin_transaction(&self) -> Result<SqliteTransaction, StoreError> {
        let enqueued_at = Instant::now();
        let (session, began) = self.writer.begin().await;
        self.observer.connection_acquired(began.saturating_duration_since(enqueued_at));
        Ok(SqliteTransaction { store: self.clone(), session: session? })
    }
}

impl SqliteTransaction {
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        sql: &str,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        self.store.observe(operation, sql, async { (self.session.run(work).await.0, start) }).await
    }
}

#[async_trait]
impl ProductStatements for SqliteTransaction {
    async fn insert(&self, insert: &Insert) -> Result<Inserted, StoreError> {
        let insert = insert.clone();
        self.run("INSERT", insert::INSERT_ONE, move |transaction| insert::insert(transaction, &insert))
            .await?
            .ok_or(StoreError::IdsExhausted)
    }

    async fn existing_ids(&self, ids: Vec<ProductId>) -> Result<Vec<ProductId>, StoreError> {
        self.run("SELECT", update::SELECT_ID, move |transaction| {
            update::existing_ids(transaction.connection, &ids)
        })
        .await
    }

    async fn skip_used_ids(&self, _: &[ProductId], _: usize) -> Result<(), StoreError> {
        Ok(())
    }

    async fn replace_many(
        &self,
        products: Arc<Vec<NewProduct>>,
    ) -> Result<HashMap<ProductId, Version>, StoreError> {
        self.run("UPDATE", update::UPDATE, move |transaction| update::replace_many(transaction, &products))
            .await
    }

    async fn delete_many(&self, filter: &Filter) -> Result<u64, StoreError> {
        let statement = sql::delete_many(filter, BACKEND);
        let sql = statement.sql.clone();
        self.run("DELETE", &sql, move |transaction| update::delete_many(transaction, &statement)).await
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn get_many(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
        let ids = ids.to_vec();
        let find =
            move |transaction: &mut WriteTransaction<'_>| update::find_many(transaction.connection, &ids);
        self.run("SELECT", update::SELECT_ONE, find).await
    }

    async fn write(&self, write: ProductWrite) -> Result<Result<Product, Error>, StoreError> {
        self.run("UPDATE", update::UPDATE, move |transaction| update::write(transaction, &write)).await
    }

    async fn stored_response(
        &self,
        key: &IdempotencyKey,
        created_after: i64,
    ) -> Result<KeyState, StoreError> {
        let statement = sql::idempotency::select(key, created_after, BACKEND);
        let sql = statement.sql.clone();
        let select = move |transaction: &mut WriteTransaction<'_>| {
            values::rows(transaction.connection, &statement, values::stored_response)
        };
        Ok(self.run("SELECT", &sql, select).await?.pop().map_or(KeyState::Unused, KeyState::Stored))
    }

    async fn store_response(
        &self,
        key: &IdempotencyKey,
        fingerprint: &Fingerprint,
        response: String,
        created_at: i64,
    ) -> Result<(), StoreError> {
        let statement = sql::idempotency::insert(key, fingerprint, response, created_at, BACKEND);
        let sql = statement.sql.clone();
        let insert = move |transaction: &mut WriteTransaction<'_>| {
            values::prepare(transaction.connection, &statement)?.raw_execute().map(drop)
        };
        self.run("INSERT", &sql, insert).await
    }

    async fn begin_part(&self) -> Result<(), StoreError> {
        self.session.control("SAVEPOINT part").await
    }

    async fn roll_back_part(&self) -> Result<(), StoreError> {
        self.session.control("ROLLBACK TO part").await
    }

    async fn roll_back(&self) -> Result<(), StoreError> {
        self.session.control("ROLLBACK").await
    }

    async fn commit(&self) -> Result<(), StoreError> {
        self.session.commit().await
    }
}
