//! SeaORM's connection for migrations: its extension point for other drivers, over a rusqlite connection.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use rusqlite::{Connection, Row, types::ValueRef};
use sea_orm::{
    Database, DatabaseConnection, DbBackend, DbErr, ProxyDatabaseTrait, ProxyExecResult, ProxyRow,
    RuntimeErr, Statement, Value,
};

use super::{values, write_transaction};
use crate::store::StoreError;

struct SchemaConnection(Mutex<State>);

struct State {
    connection: Connection,
    /// Number of transactions that have begun. Inner ones are part of the outermost.
    depth: usize,
    /// Whether a transaction was rolled back, so that the outermost must not be committed.
    is_rolled_back: bool,
    /// Failure of a BEGIN or COMMIT, which SeaORM's trait cannot return. All later statements return it, and
    /// so does a ping.
    failure: Option<String>,
}

impl State {
    fn check(&self) -> Result<(), DbErr> {
        let failure = |failure: &String| DbErr::Exec(RuntimeErr::Internal(failure.clone()));
        self.failure.as_ref().map_or(Ok(()), |error| Err(failure(error)))
    }
}

/// Returns a SeaORM connection.
pub(super) async fn connect(connection: Connection) -> Result<DatabaseConnection, StoreError> {
    let state = State { connection, depth: 0, is_rolled_back: false, failure: None };
    let proxy: Box<dyn ProxyDatabaseTrait> = Box::new(SchemaConnection(Mutex::new(state)));
    Database::connect_proxy(DbBackend::Sqlite, Arc::new(proxy)).await.map_err(StoreError::unavailable)
}

impl fmt::Debug for SchemaConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchemaConnection")
    }
}

impl SchemaConnection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a transaction. The outermost one is committed unless a transaction was rolled back.
    fn end(&self, roll_back: bool) {
        let mut state = self.state();
        state.is_rolled_back |= roll_back;
        state.depth = state.depth.saturating_sub(1);
        if state.depth > 0 {
            return;
        }
        let end = if state.is_rolled_back { write_transaction::roll_back } else { write_transaction::commit };
        if let Err(error) = end(&state.connection) {
            state.failure.get_or_insert(error.to_string());
        }
        state.is_rolled_back = false;
    }
}

#[async_trait]
impl ProxyDatabaseTrait for SchemaConnection {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        let state = self.state();
        state.check()?;
        values::rows(&state.connection, &statement, proxy_row)
            .map_err(|error| DbErr::Query(RuntimeErr::Internal(error.to_string())))
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        let state = self.state();
        state.check()?;
        let execute = || {
            if statement.values.is_none() {
                // Migrations contain texts of several statements.
                state.connection.execute_batch(&statement.sql)?;
                return Ok(0);
            }
            values::prepare(&state.connection, &statement)?.raw_execute()
        };
        execute()
            .map(|rows| ProxyExecResult { last_insert_id: 0, rows_affected: rows as u64 })
            .map_err(|error| DbErr::Exec(RuntimeErr::Internal(error.to_string())))
    }

    async fn begin(&self) {
        let mut state = self.state();
        if state.depth == 0
            && let Err(error) = write_transaction::begin(&state.connection)
        {
            state.failure = Some(error.to_string());
        }
        state.depth += 1;
    }

    async fn commit(&self) {
        self.end(false);
    }

    async fn rollback(&self) {
        self.end(true);
    }

    fn start_rollback(&self) {
        self.end(true);
    }

    async fn ping(&self) -> Result<(), DbErr> {
        self.state().check()
    }
}

fn proxy_row(row: &Row<'_>) -> rusqlite::Result<ProxyRow> {
    let mut values = BTreeMap::new();
    for (index, name) in row.as_ref().column_names().into_iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Null => Value::BigInt(None),
            ValueRef::Integer(value) => value.into(),
            ValueRef::Real(value) => value.into(),
            ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned().into(),
            ValueRef::Blob(value) => value.to_vec().into(),
        };
        values.insert(name.to_owned(), value);
    }
    Ok(ProxyRow::new(values))
}
