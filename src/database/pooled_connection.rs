//! A connection that sqlx has lent, and how a statement runs on it.

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

/// A connection that sqlx has lent.
pub(super) struct PooledConnection {
    connection: AnyConnection,
    /// When it goes back.
    end: Instant,
}

enum AnyConnection {
    PostgreSql(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// Runs it on a connection of either kind.
macro_rules! on {
    ($lease:ident, $connection:ident => $run:expr) => {
        match &mut $lease.connection {
            AnyConnection::PostgreSql($connection) => $run,
            AnyConnection::Sqlite($connection) => $run,
        }
    };
}

impl PooledConnection {
    /// Has sqlx lend one for so long.
    ///
    /// # Errors
    /// There is none in time, or the database can't be reached.
    pub async fn new(pool: &DatabaseConnection, term: Duration) -> Result<Self, DbErr> {
        let connection = match pool.get_database_backend() {
            DbBackend::Postgres => {
                pool.get_postgres_connection_pool().acquire().await.map(AnyConnection::PostgreSql)
            }
            _ => pool.get_sqlite_connection_pool().acquire().await.map(AnyConnection::Sqlite),
        };
        let connection = connection.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
            sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            error => DbErr::Conn(of_sqlx(error)),
        })?;
        Ok(Self { connection, end: Instant::now() + term })
    }

    /// Whether it has to go back.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.end <= now
    }

    pub async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done =
            on!(self, connection => query(statement).execute(&mut **connection).await.map(ExecResult::from));
        done.map_err(|error| DbErr::Exec(of_sqlx(error)))
    }

    pub async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let done = on!(self, connection => connection.execute(sql).await.map(ExecResult::from));
        done.map_err(|error| DbErr::Exec(of_sqlx(error)))
    }

    pub async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = on!(self, connection => {
            let row = query(statement).fetch_optional(&mut **connection).await;
            row.map(|row| row.map(QueryResult::from))
        });
        row.map_err(|error| DbErr::Query(of_sqlx(error)))
    }

    pub async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = on!(self, connection => {
            let rows = query(statement).fetch_all(&mut **connection).await;
            rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
        });
        rows.map_err(|error| DbErr::Query(of_sqlx(error)))
    }
}

/// As SeaORM makes it, but for its copy of the values.
fn query<DB: sqlx::Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn of_sqlx(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}
