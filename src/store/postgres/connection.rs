//! A connection of the pool, and the execution of statements on it.

use std::{
    io,
    time::{Duration, Instant},
};

use deadpool::managed::Object;
use sea_orm::{
    Statement,
    sea_query::Values,
    sqlx::{
        self, AssertSqlSafe, Executor, Postgres,
        postgres::{PgQueryResult, PgRow},
        query::Query,
    },
};
use sea_query_sqlx::SqlxValues;

use super::{
    connection_manager::{Connections, PooledConnection},
    wal::{self, WrittenPosition},
};
use crate::store::{
    Kind, StoreError, WriteState,
    error::is_connection_lost,
    observer::{OptionalObserver, operation_name},
    spans,
};

/// Maximum time by which the end of a statement may exceed PostgreSQL's own timeout.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Time after which a statement of a command is given up.
const LONG_LIMIT: Duration = Duration::from_hours(1);

/// A connection, which returns to the pool when it is dropped. If a statement was given up or a transaction
/// was left open, the connection is closed instead, which also ends the transaction.
pub(super) struct Connection {
    /// `None` only while it is dropped.
    pooled: Option<PooledConnection>,
    pool: Connections,
    write_state: WriteState,
    /// Position to update after writes; `None` if no replica needs it.
    written: Option<WrittenPosition>,
    observer: OptionalObserver,
    /// Time after which a statement is given up, because the connection is lost. PostgreSQL ends it earlier.
    limit: Duration,
    state: State,
    is_in_transaction: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// A statement is running, was given up or has lost the connection.
    Busy,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if (self.state == State::Busy || self.is_in_transaction)
            && let Some(pooled) = self.pooled.take()
        {
            drop(Object::take(pooled));
        }
    }
}

/// Runs the expression with the connection, and keeps the state of the connection up to date.
macro_rules! run {
    ($self:ident, $connection:ident => $run:expr) => {{
        let Some($connection) = $self.pooled.as_deref_mut() else {
            return Err(StoreError::unavailable("the connection is closed"));
        };
        $self.state = State::Busy;
        let result = tokio::time::timeout($self.limit, $run).await;
        $self.finish(result.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }};
}

/// Does the same for a statement, and reports and traces it.
macro_rules! observe {
    ($self:ident, $connection:ident => $statement:ident, $run:expr) => {{
        let (operation, start) = (operation_name(&$statement.sql), Instant::now());
        let span = spans::statement_span(Kind::PostgreSql, operation, &$statement.sql);
        let result = spans::instrument(span, async { run!($self, $connection => $run) }).await;
        $self.observer.statement_finished(operation, start, &result);
        result
    }};
}

impl Connection {
    pub fn new(
        pooled: PooledConnection,
        pool: Connections,
        write_state: WriteState,
        written: Option<WrittenPosition>,
        observer: OptionalObserver,
        statement_timeout: Duration,
    ) -> Self {
        let (pooled, state) = (Some(pooled), State::Ready);
        let limit = statement_timeout + MAX_DELAY;
        Self { pooled, pool, write_state, written, observer, limit, state, is_in_transaction: false }
    }

    /// Runs a statement and returns its rows.
    pub async fn query(&mut self, statement: Statement) -> Result<Vec<PgRow>, StoreError> {
        observe!(self, connection => statement, query(statement).fetch_all(connection))
    }

    /// Runs a statement and returns the number of rows that it affected.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let result: Result<PgQueryResult, _> =
            observe!(self, connection => statement, query(statement).execute(connection));
        result.map(|result| result.rows_affected())
    }

    pub async fn begin(&mut self) -> Result<(), StoreError> {
        self.is_in_transaction = true;
        self.control("BEGIN").await
    }

    /// Begins a transaction of a command, whose statements may take longer than those of requests. `begin` is its BEGIN.
    pub async fn begin_long(&mut self, begin: &'static str) -> Result<(), StoreError> {
        self.is_in_transaction = true;
        self.limit = LONG_LIMIT;
        self.control(begin).await?;
        self.control(
            "SET LOCAL statement_timeout = '1h'; SET LOCAL idle_in_transaction_session_timeout = '1h'",
        )
        .await
    }

    /// Commits the transaction. After an error, whether it was committed is unknown, so that nothing may be
    /// repeated.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        let committed = match self.written.clone() {
            None => self.control("COMMIT").await,
            Some(written) => self.control_and_record(wal::COMMIT_AND_SELECT_POSITION, &written).await,
        };
        committed.map_err(StoreError::unavailable)?;
        self.is_in_transaction = false;
        Ok(())
    }

    /// Updates the written position after a statement outside a transaction, also if the database rejected it: the client
    /// may then read what was in its way. Returns the result of the statement.
    pub async fn after_write<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(written) = self.written.clone().filter(|_| self.state == State::Ready) {
            let recorded = self.control_and_record(wal::SELECT_POSITION, &written).await;
            // After an error, the client cannot read its write, so the result must not be a success.
            return result.and_then(|value| recorded.map(|()| value));
        }
        result
    }

    /// Runs statements without parameters, the last of which selects a position. They are not observed.
    async fn control_and_record(
        &mut self,
        sql: &'static str,
        written: &WrittenPosition,
    ) -> Result<(), StoreError> {
        let row = run!(self, connection => connection.fetch_one(sql))?;
        Ok(written.record(&row)?)
    }

    /// Rolls the transaction back. Returns an error if a statement was given up; in this case, the connection is
    /// closed when it is dropped, which ends the transaction.
    pub async fn roll_back(&mut self) -> Result<(), StoreError> {
        if self.state == State::Busy {
            return Err(StoreError::unavailable("a statement was given up"));
        }
        self.control("ROLLBACK").await?;
        self.is_in_transaction = false;
        Ok(())
    }

    /// Runs a statement without parameters that controls the transaction. It is not observed.
    pub async fn control(&mut self, sql: &'static str) -> Result<(), StoreError> {
        run!(self, connection => connection.execute(sql)).map(drop)
    }

    fn finish<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        match &result {
            Ok(_) => self.state = State::Ready,
            Err(sqlx::Error::Database(error)) if !is_connection_lost(error.as_ref()) => {
                self.state = State::Ready;
            }
            // If the server has closed this connection, it is likely to have closed all.
            Err(_) => drop(self.pool.retain(|_, _| false)),
        }
        let result = result.map_err(StoreError::from);
        self.write_state.record(&result);
        result
    }
}

/// Builds the query as SeaORM does, but without cloning its values.
fn query(statement: Statement) -> Query<'static, Postgres, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}
