//! Reads and restores everything that the database holds.

use std::sync::Arc;

use async_trait::async_trait;
use entity::idempotency_key;
use sea_orm::{
    Statement,
    sqlx::{Row, postgres::PgRow},
};
use tokio::sync::{Mutex, mpsc};

use super::{BACKEND, Postgres, api_tokens, connection::Connection, pool::WriteConnection, rows};
use crate::store::{
    Backup, Restore, Rows, StoreError,
    backup::{RESPONSES_PER_READ, ROWS_PER_READ, first_log_number},
    sql,
};

/// Begins a transaction that sees one state of the database.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Makes other writes wait, but not reads.
const LOCK_TABLES: &str = "LOCK TABLE product, api_token, idempotency_key IN SHARE ROW EXCLUSIVE MODE";

/// The sequence is read after the rows, so that it is at least as high as their generated ids.
const LAST_ID: &str = "SELECT coalesce(pg_sequence_last_value('product_id'), 0)";

const RAISE_LAST_ID: &str =
    "SELECT setval('product_id', $1) WHERE $1 > coalesce(pg_sequence_last_value('product_id'), 0)";

const CLEAR_LOG: &str = "DELETE FROM product_change_log";
const SET_LOG_NUMBER: &str = "SELECT setval('product_change_number', $1)";

#[async_trait]
impl Backup for Postgres {
    async fn read_all(&self, rows: mpsc::Sender<Rows>) -> Result<i64, StoreError> {
        let mut connection = self.pool.acquire().await?;
        connection.begin_long(BEGIN_SNAPSHOT).await?;
        let mut tables = Tables { connection: &mut connection, rows: &rows };
        let (products, tokens) = (sql::backup::products(BACKEND), sql::backup::api_tokens(BACKEND));
        tables.send(products, "products", ROWS_PER_READ, rows::product, Rows::Products).await?;
        tables.send(tokens, "api_tokens", ROWS_PER_READ, api_tokens::model, Rows::ApiTokens).await?;
        let responses = sql::backup::responses(BACKEND);
        tables.send(responses, "responses", RESPONSES_PER_READ, response, Rows::Responses).await?;
        let last_id = connection.query(Statement::from_string(BACKEND, LAST_ID)).await?;
        connection.roll_back().await?;
        Ok(rows::first_column(&last_id)?.first().copied().unwrap_or_default())
    }

    async fn begin_restore(&self) -> Result<Arc<dyn Restore>, StoreError> {
        let mut write = self.pool.acquire_for_write().await?;
        write.connection.begin_long("BEGIN").await?;
        write.connection.control(LOCK_TABLES).await?;
        Ok(Arc::new(PostgresRestore(Mutex::new(write))))
    }
}

/// Sends the rows of tables.
struct Tables<'a> {
    connection: &'a mut Connection,
    rows: &'a mpsc::Sender<Rows>,
}

impl Tables<'_> {
    /// Sends the rows that a statement selects, `size` at a time. Ends early if the receiver is dropped.
    async fn send<T>(
        &mut self,
        select: Statement,
        cursor: &'static str,
        size: usize,
        convert: fn(&PgRow) -> Result<T, StoreError>,
        part: fn(Vec<T>) -> Rows,
    ) -> Result<(), StoreError> {
        let declare = format!("DECLARE {cursor} NO SCROLL CURSOR FOR {}", select.sql);
        self.connection.execute(Statement { sql: declare, ..select }).await?;
        let fetch = Statement::from_string(BACKEND, format!("FETCH {size} FROM {cursor}"));
        loop {
            let rows = self.connection.query(fetch.clone()).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let rows = rows.iter().map(convert).collect::<Result<_, _>>()?;
            if self.rows.send(part(rows)).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn response(row: &PgRow) -> Result<idempotency_key::Model, StoreError> {
    Ok(idempotency_key::Model {
        key: row.try_get(0)?,
        fingerprint: row.try_get(1)?,
        response: row.try_get(2)?,
        created_at: row.try_get(3)?,
    })
}

/// A transaction that restores a backup.
struct PostgresRestore(Mutex<WriteConnection>);

#[async_trait]
impl Restore for PostgresRestore {
    async fn is_empty(&self) -> Result<bool, StoreError> {
        let select = Statement::from_string(BACKEND, sql::backup::IS_EMPTY);
        let rows = self.0.lock().await.connection.query(select).await?;
        Ok(rows::first_column::<bool>(&rows)? == [true])
    }

    async fn insert(&self, rows: Rows) -> Result<(), StoreError> {
        self.0.lock().await.connection.execute(sql::backup::insert(rows, BACKEND)).await.map(drop)
    }

    async fn commit(&self, last_id: i64) -> Result<(), StoreError> {
        let mut write = self.0.lock().await;
        let connection = &mut write.connection;
        connection.execute(Statement::from_string(BACKEND, CLEAR_LOG)).await?;
        // Sequences are not transactional, so they are set last.
        let numbers = [(RAISE_LAST_ID, last_id), (SET_LOG_NUMBER, first_log_number())];
        for (sql, number) in numbers {
            connection.execute(Statement::from_sql_and_values(BACKEND, sql, [number.into()])).await?;
        }
        connection.commit().await
    }
}
