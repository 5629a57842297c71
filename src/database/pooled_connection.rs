//! A connection checked out of sqlx's pool, and the execution of statements on it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    sea_query::Values,
    sqlx::{
        self, AssertSqlSafe, Executor, IntoArguments, Postgres, SqlSafeStr, Sqlite, pool::PoolConnection,
        query::Query,
    },
};
use sea_query_sqlx::SqlxValues;

/// A connection checked out of sqlx's pool until it expires.
pub(super) struct PooledConnection {
    connection: AnyConnection,
    expires_at: Instant,
}

enum AnyConnection {
    PostgreSql(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// Evaluates the expression with a connection of either driver.
macro_rules! with_driver {
    ($pooled:ident, $connection:ident => $run:expr) => {
        match &mut $pooled.connection {
            AnyConnection::PostgreSql($connection) => $run,
            AnyConnection::Sqlite($connection) => $run,
        }
    };
}

impl PooledConnection {
    /// Checks a connection out of sqlx's pool. The connection expires after `max_hold`.
    ///
    /// # Errors
    /// Returns a [`DbErr`] if no connection is free in time or the database cannot be reached.
    pub async fn acquire(pool: &DatabaseConnection, max_hold: Duration) -> Result<Self, DbErr> {
        let connection = match pool.get_database_backend() {
            DbBackend::Postgres => {
                pool.get_postgres_connection_pool().acquire().await.map(AnyConnection::PostgreSql)
            }
            _ => pool.get_sqlite_connection_pool().acquire().await.map(AnyConnection::Sqlite),
        };
        let connection = connection.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
            sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            error => DbErr::Conn(runtime_error(error)),
        })?;
        Ok(Self { connection, expires_at: Instant::now() + max_hold })
    }

    /// Returns whether the connection has to return to sqlx's pool.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires_at <= now
    }

    pub async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let result = with_driver!(self, connection => {
            query(statement).execute(&mut **connection).await.map(ExecResult::from)
        });
        result.map_err(|error| DbErr::Exec(runtime_error(error)))
    }

    pub async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let result = with_driver!(self, connection => connection.execute(sql).await.map(ExecResult::from));
        result.map_err(|error| DbErr::Exec(runtime_error(error)))
    }

    pub async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = with_driver!(self, connection => {
            let row = query(statement).fetch_optional(&mut **connection).await;
            row.map(|row| row.map(QueryResult::from))
        });
        row.map_err(|error| DbErr::Query(runtime_error(error)))
    }

    pub async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = with_driver!(self, connection => {
            let rows = query(statement).fetch_all(&mut **connection).await;
            rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
        });
        rows.map_err(|error| DbErr::Query(runtime_error(error)))
    }
}

/// Builds the query as SeaORM does, but without cloning its values.
fn query<DB: sqlx::Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn runtime_error(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}
