//! Runs statements on a pool or in a transaction, and begins transactions.

use std::{sync::Arc, time::Instant};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Connections, Database,
    observer::OptionalObserver,
    pool::{Pool, PoolStatus, operation_name},
    spans,
};

/// A pool or a transaction. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Connection {
    /// Each statement is its own transaction.
    Pool(Pool),
    /// Each statement has a savepoint, so a failed statement does not affect the others.
    Transaction(Arc<DatabaseTransaction>, OptionalObserver),
}

impl Connection {
    /// Begins a transaction, or a savepoint if this is already a transaction. Returns it with its pool
    /// permit, which is `None` for a savepoint.
    pub(super) async fn begin(&self) -> Result<(DatabaseTransaction, Option<OwnedSemaphorePermit>), DbErr> {
        // IMMEDIATE acquires SQLite's write lock at the beginning. A transaction that acquires it later can
        // fail with SQLITE_BUSY.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        match self {
            Self::Pool(pool) => {
                let (transaction, permit) = pool.begin(options).await?;
                Ok((transaction, Some(permit)))
            }
            Self::Transaction(transaction, _) => Ok((transaction.begin().await?, None)),
        }
    }

    /// Runs `work` in a transaction on the rusqlite connection. Returns `None`, without running it, on
    /// PostgreSQL and within a transaction. `sql` is the main statement, for metrics and spans only.
    pub async fn sqlite_transaction<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<T, DbErr>> {
        match self {
            Self::Pool(pool) => pool.sqlite_transaction(sql, work).await,
            Self::Transaction(..) => None,
        }
    }

    fn observer(&self) -> &OptionalObserver {
        match self {
            Self::Pool(pool) => &pool.observer,
            Self::Transaction(_, observer) => observer,
        }
    }

    pub(super) fn status(&self) -> PoolStatus {
        match self {
            Self::Pool(pool) => pool.status(),
            Self::Transaction(..) => PoolStatus::default(),
        }
    }
}

/// Runs one statement with its span and metrics, on a pooled connection or in a savepoint of the transaction.
macro_rules! execute_instrumented {
    ($connection:ident, $sql:expr, $on_pooled:ident, $on_savepoint:ident ( $argument:expr )) => {{
        let (backend, operation) = ($connection.get_database_backend(), operation_name($sql));
        match $connection {
            Self::Pool(pool) => {
                let mut active = pool.acquire(operation).await?;
                let span = spans::statement_span(backend, operation, $sql);
                let result = spans::instrument(span, active.connection.$on_pooled($argument)).await;
                active.finish(result)
            }
            Self::Transaction(transaction, observer) => {
                let savepoint = transaction.begin().await?;
                let (span, start) = (spans::statement_span(backend, operation, $sql), Instant::now());
                let result = spans::instrument(span, savepoint.$on_savepoint($argument)).await;
                observer.statement_finished(operation, start, &result);
                match result {
                    Ok(value) => savepoint.commit().await.map(|()| value),
                    Err(error) => {
                        // If the rollback fails too, the next statement of the transaction fails as well.
                        let _ = savepoint.rollback().await;
                        Err(error)
                    }
                }
            }
        }
    }};
}

#[sea_orm::prelude::async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Pool(pool) => pool.connections().get_database_backend(),
            Self::Transaction(transaction, _) => transaction.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        execute_instrumented!(self, &statement.sql, execute, execute_raw(statement))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        execute_instrumented!(self, sql, execute_unprepared, execute_unprepared(sql))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        execute_instrumented!(self, &statement.sql, query_one, query_one_raw(statement))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        execute_instrumented!(self, &statement.sql, query_all, query_all_raw(statement))
    }
}

/// A transaction with its pool permit. If it is dropped, sqlx rolls it back later.
#[derive(Debug)]
pub struct Transaction(Arc<DatabaseTransaction>, Option<OwnedSemaphorePermit>);

impl Transaction {
    /// Commits the transaction.
    ///
    /// # Errors
    /// Returns a [`DbErr`] if the commit fails, or if a [`Database`] of this transaction is still in use.
    pub async fn commit(self) -> Result<(), DbErr> {
        let (transaction, _permit) = self.into_parts()?;
        transaction.commit().await
    }

    /// Rolls the transaction back, and waits until the rollback has finished.
    ///
    /// # Errors
    /// Returns a [`DbErr`] if the rollback fails, or if a [`Database`] of this transaction is still in use.
    pub async fn roll_back(self) -> Result<(), DbErr> {
        let (transaction, _permit) = self.into_parts()?;
        transaction.rollback().await
    }

    fn into_parts(self) -> Result<(DatabaseTransaction, Option<OwnedSemaphorePermit>), DbErr> {
        let Self(transaction, permit) = self;
        let transaction = Arc::into_inner(transaction)
            .ok_or_else(|| DbErr::Custom("the transaction is still in use".to_owned()))?;
        Ok((transaction, permit))
    }
}

impl Database {
    /// Begins a transaction. All statements of the returned [`Database`] run in the transaction.
    ///
    /// Callers must run the whole transaction in its own task. If its future were dropped, a pooled
    /// connection could remain inside the transaction.
    ///
    /// # Errors
    /// Returns a [`DbErr`] if no connection is available or the transaction cannot begin.
    pub async fn begin(&self) -> Result<(Self, Transaction), DbErr> {
        let (transaction, permit) = self.0.writes.begin().await?;
        let transaction = Arc::new(transaction);
        let connection = Connection::Transaction(transaction.clone(), self.0.writes.observer().clone());
        let health_connection = self.0.health_connection.clone();
        let database =
            Self(Arc::new(Connections { reads: connection.clone(), writes: connection, health_connection }));
        Ok((database, Transaction(transaction, permit)))
    }
}
