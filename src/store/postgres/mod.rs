//! The PostgreSQL engine: sqlx with one pool.

mod api_tokens;
mod backup;
mod change_log;
pub(super) mod connect;
mod connection;
mod connection_manager;
mod insert;
mod inspect;
mod notify;
mod pool;
pub(super) mod pooler;
mod products;
mod replica;
mod replication;
mod rows;
mod servers;
mod transaction;
mod update;
pub(super) mod url;
mod wal;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    DatabaseConnection, DbBackend, Statement,
    sqlx::{Row, postgres::PgRow},
};
use tokio::sync::Mutex;

use self::{pool::Pool, replica::Replica, transaction::PostgresTransaction};
use super::{
    HEALTH_CHECK_TIMEOUT, Insert, Inserted, Kind, LogRead, PoolOptions, PoolStatus, ProductStatements,
    RowWait, Store, StoreError, StoredResponse, Transaction, WriteOutcome, WriteState,
    observer::OptionalObserver, sql,
};
use crate::domain::{
    Filter, IdempotencyKey, Listing, LogPosition, NewProduct, PageRequest, Product, ProductId, ProductWrite,
    ReadFrom, Version,
};

pub(super) use self::{
    change_log::SELECT_NEWEST as SELECT_NEWEST_CHANGE, inspect::inspect, servers::Servers,
};

const BACKEND: DbBackend = DbBackend::Postgres;

/// A PostgreSQL database. Cheap to clone.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    /// A pool with one connection, so that health checks succeed even if the pool is busy.
    health: Pool,
    /// `None` if reads ask the primary only.
    replica: Option<Replica>,
    /// The servers, to which migrations and notifications have connections of their own.
    servers: Servers,
    acquire_timeout: Duration,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Postgres {
    /// Creates the pools, which open connections when they are needed. `replica` has the servers of the replica, and the
    /// maximum time that a read waits for it.
    pub fn open(
        servers: &Servers,
        options: PoolOptions,
        observer: OptionalObserver,
        replica: Option<(&Servers, Duration)>,
    ) -> Result<Self, StoreError> {
        let replica =
            replica.map(|(servers, wait)| Replica::new(servers.clone(), options, observer.clone(), wait));
        let written = replica.as_ref().map(|replica| replica.written().clone());
        let health = PoolOptions { connections: 1, acquire_timeout: HEALTH_CHECK_TIMEOUT, ..options };
        Ok(Self {
            pool: Pool::new(servers.clone(), options, observer, written)?,
            health: Pool::new(servers.clone(), health, OptionalObserver(None), None)?,
            replica,
            servers: servers.clone(),
            acquire_timeout: options.acquire_timeout,
        })
    }

    /// Runs a read and returns its rows.
    async fn read(&self, from: ReadFrom, statement: Statement) -> Result<Vec<PgRow>, StoreError> {
        match &self.replica {
            None => self.pool.acquire().await?.query(statement).await,
            Some(replica) => replica.query(&self.pool, from, statement).await,
        }
    }
}

#[async_trait]
impl Store for Postgres {
    fn kind(&self) -> Kind {
        Kind::PostgreSql
    }

    fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    async fn is_reachable(&self) -> bool {
        // A check that is given up closes its connection, so that the next one opens another.
        let query = async {
            let query = Statement::from_string(BACKEND, "SELECT id FROM product LIMIT 1");
            self.health.acquire().await?.query(query).await
        };
        matches!(tokio::time::timeout(HEALTH_CHECK_TIMEOUT, query).await, Ok(Ok(_)))
    }

    fn write_state(&self) -> &WriteState {
        self.pool.write_state()
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        let attempt = async {
            let mut write = self.pool.acquire_for_write().await?;
            write.connection.execute(sql::idempotency::attempt(BACKEND)).await.map(drop)
        };
        let result = attempt.await;
        self.write_state().record_attempt(&result);
        result
    }

    async fn get_many(&self, ids: &[ProductId], from: ReadFrom) -> Result<Vec<Product>, StoreError> {
        rows::products(&self.read(from, products::select_many(ids)).await?)
    }

    async fn page(
        &self,
        listing: &Listing,
        page: &PageRequest,
        from: ReadFrom,
    ) -> Result<Vec<Product>, StoreError> {
        rows::products(&self.read(from, sql::page::statement(listing, page, BACKEND)).await?)
    }

    async fn count(&self, filter: &Filter, from: ReadFrom) -> Result<u64, StoreError> {
        let rows = self.read(from, sql::count(filter, BACKEND)).await?;
        let counts: Vec<i64> = rows::first_column(&rows)?;
        Ok(counts.first().and_then(|count| u64::try_from(*count).ok()).unwrap_or_default())
    }

    async fn totals(&self) -> Result<(u64, u64), StoreError> {
        let rows = self.pool.acquire().await?.query(sql::totals(BACKEND)).await?;
        let Some(row) = rows.first() else {
            return Ok((0, 0));
        };
        let (products, stock): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((u64::try_from(products).unwrap_or_default(), u64::try_from(stock).unwrap_or_default()))
    }

    async fn write_each(
        &self,
        writes: Vec<ProductWrite>,
        wait: RowWait,
    ) -> Result<Vec<WriteOutcome>, StoreError> {
        let mut write = self.pool.acquire_for_write().await?;
        let connection = &mut write.connection;
        connection.begin().await?;
        let outcomes = update::write_each(connection, writes, wait).await;
        if outcomes.is_ok() {
            connection.commit().await?;
        } else {
            connection.roll_back().await?;
        }
        outcomes
    }

    async fn begin(&self) -> Result<Arc<dyn Transaction>, StoreError> {
        let mut write = self.pool.acquire_for_write().await?;
        write.connection.begin().await?;
        Ok(Arc::new(PostgresTransaction(Mutex::new(write))))
    }

    async fn changes_after(&self, position: LogPosition, limit: u32) -> Result<LogRead, StoreError> {
        change_log::changes_after(&mut self.pool.acquire().await?, position, limit).await
    }

    async fn newest_position(&self) -> Result<Option<LogPosition>, StoreError> {
        if let Some(newest) = change_log::newest_position(&mut self.pool.acquire().await?).await? {
            return Ok(Some(newest));
        }
        change_log::insert_sentinel(&mut self.pool.acquire_for_write().await?.connection).await?;
        change_log::newest_position(&mut self.pool.acquire().await?).await
    }

    async fn change_lag(&self) -> Result<Duration, StoreError> {
        change_log::change_lag(&mut self.pool.acquire().await?).await
    }

    async fn prune_change_log(&self, max_age: Duration, max_rows: u32) -> Result<u64, StoreError> {
        change_log::prune(&mut self.pool.acquire_for_write().await?.connection, max_age, max_rows).await
    }

    async fn finished_response(
        &self,
        key: &IdempotencyKey,
        created_after: i64,
    ) -> Result<Option<StoredResponse>, StoreError> {
        let select = sql::idempotency::select(key, created_after, BACKEND);
        let mut connection = self.pool.acquire().await?;
        let rows = connection.query(select).await;
        // The stored response is that of a write.
        rows::stored_response(&connection.after_write(rows).await?)
    }

    async fn prune_idempotency_keys(&self, created_until: i64) -> Result<(), StoreError> {
        self.pool
            .acquire_for_write()
            .await?
            .connection
            .execute(sql::idempotency::prune(created_until, BACKEND))
            .await
            .map(drop)
    }

    async fn notify_peers(&self, name: &str) -> Result<(), StoreError> {
        notify::notify_peers(&mut self.pool.acquire_for_write().await?.connection, name).await
    }

    async fn on_notification(&self, name: &str, notified: &(dyn Fn() + Send + Sync)) {
        notify::on_notification(&self.servers, name, notified).await;
    }

    async fn schema_connection(&self) -> Result<DatabaseConnection, StoreError> {
        Ok(DatabaseConnection::from(self.servers.pool(self.acquire_timeout).await?))
    }

    async fn close(&self) {
        self.pool.close();
        self.health.close();
    }
}

#[async_trait]
impl ProductStatements for Postgres {
    async fn insert(&self, insert: &Insert) -> Result<Inserted, StoreError> {
        let connection = &mut self.pool.acquire_for_write().await?.connection;
        let inserted = insert::insert(connection, insert).await;
        connection.after_write(inserted).await
    }

    async fn existing_ids(&self, ids: Vec<ProductId>) -> Result<Vec<ProductId>, StoreError> {
        products::existing_ids(&mut self.pool.acquire().await?, &ids).await
    }

    async fn skip_used_ids(&self, ids: &[ProductId], wanted: usize) -> Result<(), StoreError> {
        insert::skip_used_ids(&mut self.pool.acquire_for_write().await?.connection, ids, wanted).await
    }

    async fn replace_many(
        &self,
        products: Arc<Vec<NewProduct>>,
    ) -> Result<HashMap<ProductId, Version>, StoreError> {
        let connection = &mut self.pool.acquire_for_write().await?.connection;
        let replaced = products::replace_many(connection, &products).await;
        connection.after_write(replaced).await
    }

    async fn delete_many(&self, filter: &Filter) -> Result<u64, StoreError> {
        let connection = &mut self.pool.acquire_for_write().await?.connection;
        let deleted = connection.execute(sql::delete_many(filter, BACKEND)).await;
        connection.after_write(deleted).await
    }
}
