//! What statements run on: a pool, or a transaction that many statements share.

use std::{sync::Arc, time::Instant};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Connections, Database,
    observer::OptionalObserver,
    pool::{Pool, PoolStatus, operation},
    spans,
};

/// A pool or a transaction. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Connection {
    /// Each statement is a transaction of its own.
    Pool(Pool),
    /// Each statement has a savepoint: one that fails leaves the others as they are.
    Transaction(Arc<DatabaseTransaction>, OptionalObserver),
}

impl Connection {
    /// Begins a transaction, or a savepoint within one; a transaction holds a place in the pool.
    pub(super) async fn begin(&self) -> Result<(DatabaseTransaction, Option<OwnedSemaphorePermit>), DbErr> {
        // SQLite takes the lock at once; taken later, between a read and a write, it could be refused.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        match self {
            Self::Pool(pool) => {
                let (transaction, place) = pool.begin(options).await?;
                Ok((transaction, Some(place)))
            }
            Self::Transaction(transaction, _) => Ok((transaction.begin().await?, None)),
        }
    }

    /// Does in one transaction of SQLite's and without sqlx what this statement is the main part of. `None` where that can't be:
    /// on PostgreSQL, and within a transaction.
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

    pub(super) fn state(&self) -> PoolStatus {
        match self {
            Self::Pool(pool) => pool.state(),
            Self::Transaction(..) => PoolStatus::default(),
        }
    }
}

/// Runs one statement in its span: on a connection of the pool, or in a savepoint of the transaction.
macro_rules! run {
    ($connection:ident, $sql:expr, $on_lease:ident, $statement:ident ( $argument:expr )) => {{
        let (backend, operation) = ($connection.get_database_backend(), operation($sql));
        match $connection {
            Self::Pool(pool) => {
                let mut leased = pool.lease(operation).await?;
                let span = spans::statement(backend, operation, $sql);
                let done = spans::within(span, leased.lease.$on_lease($argument)).await;
                leased.end(done)
            }
            Self::Transaction(transaction, observer) => {
                let savepoint = transaction.begin().await?;
                let (span, start) = (spans::statement(backend, operation, $sql), Instant::now());
                let done = spans::within(span, savepoint.$statement($argument)).await;
                observer.statement_finished(operation, start, &done);
                match done {
                    Ok(done) => savepoint.commit().await.map(|()| done),
                    Err(error) => {
                        // Where this fails too, the transaction is lost, and the next statement says so.
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
        run!(self, &statement.sql, execute, execute_raw(statement))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        run!(self, sql, execute_unprepared, execute_unprepared(sql))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        run!(self, &statement.sql, query_one, query_one_raw(statement))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        run!(self, &statement.sql, query_all, query_all_raw(statement))
    }
}

/// A transaction; dropped, it is taken back some time later.
#[derive(Debug)]
pub struct Transaction(Arc<DatabaseTransaction>, Option<OwnedSemaphorePermit>);

impl Transaction {
    /// Makes everything since its begin last.
    ///
    /// # Errors
    /// The database fails, or a [`Database`] of this transaction is still in use.
    pub async fn commit(self) -> Result<(), DbErr> {
        let (transaction, _place) = self.end()?;
        transaction.commit().await
    }

    /// Takes everything since its begin back, and waits until that is done.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub async fn roll_back(self) -> Result<(), DbErr> {
        let (transaction, _place) = self.end()?;
        transaction.rollback().await
    }

    fn end(self) -> Result<(DatabaseTransaction, Option<OwnedSemaphorePermit>), DbErr> {
        let Self(transaction, place) = self;
        let alone = Arc::into_inner(transaction);
        Ok((alone.ok_or_else(|| DbErr::Custom("the transaction is still in use".to_owned()))?, place))
    }
}

impl Database {
    /// Begins a transaction. All statements of the returned store are a part of it.
    ///
    /// A future that holds it must not be dropped on the way: it belongs into a task of its own.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin(&self) -> Result<(Self, Transaction), DbErr> {
        let (transaction, place) = self.0.writes.begin().await?;
        let transaction = Arc::new(transaction);
        let connection = Connection::Transaction(transaction.clone(), self.0.writes.observer().clone());
        let health_connection = self.0.health_connection.clone();
        let inside =
            Self(Arc::new(Connections { reads: connection.clone(), writes: connection, health_connection }));
        Ok((inside, Transaction(transaction, place)))
    }
}
