//! Reads and restores everything that the database holds.

use std::sync::Arc;

use async_trait::async_trait;
use entity::idempotency_key;
use rusqlite::{Connection, Result, Row, params};
use sea_orm::Statement;
use tokio::sync::mpsc;

use super::{
    BACKEND, Sqlite, api_tokens, insert, read_transaction, transaction::SqliteTransaction, values,
    write_transaction::WriteTransaction,
};
use crate::store::{
    Backup, Restore, Rows, StoreError,
    backup::{RESPONSES_PER_READ, ROWS_PER_READ, first_log_number},
    sql,
};

const CLEAR_LOG: &str = "DELETE FROM product_change_log";
/// Inserts a row without a product, from whose number later rows are counted.
const INSERT_FIRST: &str =
    "INSERT INTO product_change_log (seq, kind, product_ids, versions) VALUES (?, 0, '[null]', '[null]')";

#[async_trait]
impl Backup for Sqlite {
    async fn read_all(&self, rows: mpsc::Sender<Rows>) -> Result<i64, StoreError> {
        let statement = sql::backup::products(BACKEND);
        let sql = statement.sql.clone();
        let read = move |connection: &Connection| {
            read_transaction::run(connection, || {
                let table = Table { connection, rows: &rows };
                table.send(&statement, ROWS_PER_READ, values::product, Rows::Products)?;
                let (tokens, responses) = (sql::backup::api_tokens(BACKEND), sql::backup::responses(BACKEND));
                table.send(&tokens, ROWS_PER_READ, api_tokens::model, Rows::ApiTokens)?;
                table.send(&responses, RESPONSES_PER_READ, response, Rows::Responses)?;
                insert::last_id(connection)
            })
        };
        self.read(&sql, read).await
    }

    async fn begin_restore(&self) -> Result<Arc<dyn Restore>, StoreError> {
        Ok(Arc::new(SqliteRestore(self.begin_transaction().await?)))
    }
}

/// Sends the rows of a table.
struct Table<'a> {
    connection: &'a Connection,
    rows: &'a mpsc::Sender<Rows>,
}

impl Table<'_> {
    /// Sends the rows that a statement selects, `size` at a time. Ends early if the receiver is dropped.
    fn send<T>(
        &self,
        statement: &Statement,
        size: usize,
        convert: fn(&Row<'_>) -> Result<T>,
        part: fn(Vec<T>) -> Rows,
    ) -> Result<()> {
        let mut prepared = values::prepare(self.connection, statement)?;
        let (mut rows, mut converted) = (prepared.raw_query(), Vec::new());
        while let Some(row) = rows.next()? {
            converted.push(convert(row)?);
            if converted.len() == size
                && self.rows.blocking_send(part(std::mem::take(&mut converted))).is_err()
            {
                return Ok(());
            }
        }
        if !converted.is_empty() {
            // If the receiver is dropped, no one waits for the rows.
            let _ = self.rows.blocking_send(part(converted));
        }
        Ok(())
    }
}

fn response(row: &Row<'_>) -> Result<idempotency_key::Model> {
    Ok(idempotency_key::Model {
        key: row.get(0)?,
        fingerprint: row.get(1)?,
        response: row.get(2)?,
        created_at: row.get(3)?,
    })
}

/// A transaction that restores a backup.
struct SqliteRestore(SqliteTransaction);

#[async_trait]
impl Restore for SqliteRestore {
    async fn is_empty(&self) -> Result<bool, StoreError> {
        let select = |transaction: &mut WriteTransaction<'_>| {
            transaction.connection.query_row(sql::backup::IS_EMPTY, [], |row| row.get(0))
        };
        self.0.run("SELECT", sql::backup::IS_EMPTY, select).await
    }

    async fn insert(&self, rows: Rows) -> Result<(), StoreError> {
        let statement = sql::backup::insert(rows, BACKEND);
        let insert = move |transaction: &mut WriteTransaction<'_>| {
            values::prepare(transaction.connection, &statement)?.raw_execute().map(drop)
        };
        self.0.run("INSERT", insert::INSERT_ONE, insert).await
    }

    async fn commit(&self, last_id: i64) -> Result<(), StoreError> {
        let finish = move |transaction: &mut WriteTransaction<'_>| {
            let connection = transaction.connection;
            insert::raise_last_id(connection, last_id)?;
            connection.execute(CLEAR_LOG, [])?;
            connection.execute(INSERT_FIRST, params![first_log_number()]).map(drop)
        };
        self.0.run("INSERT", INSERT_FIRST, finish).await?;
        self.0.session.commit().await
    }
}
