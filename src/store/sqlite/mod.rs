//! The SQLite engine: rusqlite with one writer and several readers.

mod api_tokens;
mod backup;
mod change_log;
mod connection;
mod database_file;
mod engine;
mod insert;
mod inspect;
mod read_transaction;
mod readers;
mod reply;
mod schema;
mod session;
mod startup_check;
mod transaction;
mod update;
mod values;
mod work;
mod write_transaction;
mod writer;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};
use sea_orm::{DatabaseConnection, DbBackend};

use self::{connection::Access, write_transaction::WriteTransaction};
use super::{
    HEALTH_CHECK_TIMEOUT, Insert, Inserted, Kind, LogRead, PoolStatus, ProductStatements, Replication,
    RowWait, Store, StoreError, StoredResponse, Transaction, WriteOutcome, WriteState, sql,
};
use crate::domain::{
    Filter, IdempotencyKey, Listing, LogPosition, NewProduct, PageRequest, Product, ProductId, ProductWrite,
    ReadFrom, Version,
};

pub(super) use self::{change_log::SELECT_LAST as SELECT_LAST_CHANGE, engine::Sqlite, inspect::inspect};

const BACKEND: DbBackend = DbBackend::Sqlite;

#[async_trait]
impl Store for Sqlite {
    fn kind(&self) -> Kind {
        Kind::Sqlite
    }

    fn pool_status(&self) -> PoolStatus {
        let (PoolStatus { used, idle, max, pending }, jobs) = (self.readers.status(), self.writer.jobs());
        let writing = jobs.min(1);
        PoolStatus {
            used: used + writing,
            idle: idle + 1 - writing,
            max: max + 1,
            pending: pending + jobs.saturating_sub(1),
        }
    }

    async fn is_reachable(&self) -> bool {
        let read = self.readers.read_short(|connection| {
            let mut select = connection.prepare_cached("SELECT id FROM product LIMIT 1")?;
            select.query_row([], |row| row.get::<_, i64>(0)).optional()
        });
        matches!(tokio::time::timeout(HEALTH_CHECK_TIMEOUT, read).await, Ok(Ok(_)))
    }

    fn write_state(&self) -> &WriteState {
        self.writer.write_state()
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        let result = self.execute("INSERT", sql::idempotency::attempt(BACKEND)).await;
        self.write_state().record_attempt(&result);
        result
    }

    async fn get_many(&self, ids: &[ProductId], _: ReadFrom) -> Result<Vec<Product>, StoreError> {
        let ids = ids.to_vec();
        let read = move |connection: &Connection| {
            read_transaction::run(connection, || update::find_many(connection, &ids))
        };
        self.read_short(update::SELECT_ONE, read).await
    }

    async fn page(
        &self,
        listing: &Listing,
        page: &PageRequest,
        _: ReadFrom,
    ) -> Result<Vec<Product>, StoreError> {
        let statement = sql::page::statement(listing, page, BACKEND);
        if !page.is_short(listing) {
            return self.select(statement, values::product).await;
        }
        let sql = statement.sql.clone();
        let read = move |connection: &Connection| values::rows(connection, &statement, values::product);
        self.read_short(&sql, read).await
    }

    async fn count(&self, filter: &Filter, _: ReadFrom) -> Result<u64, StoreError> {
        let counts: Vec<i64> = self.select(sql::count(filter, BACKEND), |row| row.get(0)).await?;
        Ok(counts.first().and_then(|count| u64::try_from(*count).ok()).unwrap_or_default())
    }

    async fn totals(&self) -> Result<(u64, u64), StoreError> {
        let totals = self.select(sql::totals(BACKEND), |row| <(i64, i64)>::try_from(row)).await?;
        let (products, stock) = totals.first().copied().unwrap_or_default();
        Ok((u64::try_from(products).unwrap_or_default(), u64::try_from(stock).unwrap_or_default()))
    }

    async fn write_each(
        &self,
        writes: Vec<ProductWrite>,
        _: RowWait,
    ) -> Result<Vec<WriteOutcome>, StoreError> {
        let work = move |transaction: &mut WriteTransaction<'_>| {
            writes.iter().map(|write| Ok(WriteOutcome::Done(update::write(transaction, write)?))).collect()
        };
        self.write("UPDATE", update::UPDATE, work).await
    }

    async fn begin(&self) -> Result<Arc<dyn Transaction>, StoreError> {
        Ok(Arc::new(self.begin_transaction().await?))
    }

    async fn changes_after(&self, position: LogPosition, limit: u32) -> Result<LogRead, StoreError> {
        let read = move |connection: &Connection| {
            read_transaction::run(connection, || {
                let entries = change_log::entries_from(connection, position, limit)?;
                let mut read = LogRead::new(&entries, position, limit);
                read.add_products(update::find_many(connection, &read.product_ids())?);
                Ok(read)
            })
        };
        self.read(change_log::SELECT_FROM, read).await
    }

    async fn newest_position(&self) -> Result<Option<LogPosition>, StoreError> {
        if let Some(newest) = self.read(change_log::SELECT_LAST, change_log::newest_position).await? {
            return Ok(Some(newest));
        }
        let insert =
            |transaction: &mut WriteTransaction<'_>| change_log::insert_sentinel(transaction.connection);
        self.write("INSERT", change_log::INSERT_SENTINEL, insert).await?;
        self.read(change_log::SELECT_LAST, change_log::newest_position).await
    }

    async fn change_lag(&self) -> Result<Duration, StoreError> {
        Ok(Duration::ZERO)
    }

    async fn prune_change_log(&self, max_age: Duration, max_rows: u32) -> Result<u64, StoreError> {
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        let prune = move |transaction: &mut WriteTransaction<'_>| {
            change_log::prune(transaction.connection, seconds, max_rows)
        };
        Ok(self.write("DELETE", change_log::PRUNE, prune).await? as u64)
    }

    async fn finished_response(
        &self,
        key: &IdempotencyKey,
        created_after: i64,
    ) -> Result<Option<StoredResponse>, StoreError> {
        let select = sql::idempotency::select(key, created_after, BACKEND);
        Ok(self.select(select, values::stored_response).await?.pop())
    }

    async fn prune_idempotency_keys(&self, created_until: i64) -> Result<(), StoreError> {
        self.execute("DELETE", sql::idempotency::prune(created_until, BACKEND)).await
    }

    async fn notify_peers(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn on_notification(&self, _: &str, _: &(dyn Fn() + Send + Sync)) {
        std::future::pending::<()>().await;
    }

    async fn schema_connection(&self) -> Result<DatabaseConnection, StoreError> {
        schema::connect(connection::open(self.file.path(), Access::Write, false)?).await
    }

    async fn close(&self) {
        // SQLite deletes the log only if the writer's connection is the last one.
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Replication for Sqlite {}

#[async_trait]
impl ProductStatements for Sqlite {
    async fn insert(&self, insert: &Insert) -> Result<Inserted, StoreError> {
        let insert = insert.clone();
        self.write("INSERT", insert::INSERT_ONE, move |transaction| insert::insert(transaction, &insert))
            .await?
            .ok_or(StoreError::IdsExhausted)
    }

    async fn existing_ids(&self, ids: Vec<ProductId>) -> Result<Vec<ProductId>, StoreError> {
        let read = move |connection: &Connection| {
            read_transaction::run(connection, || update::existing_ids(connection, &ids))
        };
        self.read(update::SELECT_ID, read).await
    }

    /// The ids are skipped when they are generated.
    async fn skip_used_ids(&self, _: &[ProductId], _: usize) -> Result<(), StoreError> {
        Ok(())
    }

    async fn replace_many(
        &self,
        products: Arc<Vec<NewProduct>>,
    ) -> Result<HashMap<ProductId, Version>, StoreError> {
        self.write("UPDATE", update::UPDATE, move |transaction| update::replace_many(transaction, &products))
            .await
    }

    async fn delete_many(&self, filter: &Filter) -> Result<u64, StoreError> {
        let statement = sql::delete_many(filter, BACKEND);
        let sql = statement.sql.clone();
        self.write("DELETE", &sql, move |transaction| update::delete_many(transaction, &statement)).await
    }
}
