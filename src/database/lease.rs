//! A connection of a pool for one statement. Who is done hands it to the next: a connection that goes back to sqlx is asked
//! first whether it is still there, which costs as much as a small read.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// So long a connection goes from one to the next, and up to twice as long where it lies idle. Then sqlx gets it back, which
/// looks after old, idle and broken ones.
const TERM: Duration = Duration::from_secs(1);

/// A connection that sqlx has lent.
pub(super) struct Lease {
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

impl Lease {
    /// Has sqlx lend one.
    ///
    /// # Errors
    /// There is none in time, or the database can't be reached.
    pub async fn new(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        let connection = match pool.get_database_backend() {
            DbBackend::Postgres => {
                pool.get_postgres_connection_pool().acquire().await.map(AnyConnection::PostgreSql)
            }
            _ => pool.get_sqlite_connection_pool().acquire().await.map(AnyConnection::Sqlite),
        };
        let connection = connection.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
            sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            error => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
        })?;
        Ok(Self { connection, end: Instant::now() + TERM })
    }

    pub async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done =
            on!(self, connection => query(statement).execute(&mut **connection).await.map(ExecResult::from));
        done.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))))
    }

    pub async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let done = on!(self, connection => connection.execute(sql).await.map(ExecResult::from));
        done.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))))
    }

    pub async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = on!(self, connection => {
            let row = query(statement).fetch_optional(&mut **connection).await;
            row.map(|row| row.map(QueryResult::from))
        });
        row.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
    }

    pub async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = on!(self, connection => {
            let rows = query(statement).fetch_all(&mut **connection).await;
            rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
        });
        rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
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

/// Connections between two statements. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct AtHand(Arc<Mutex<Leases>>);

#[derive(Default)]
struct Leases {
    free: Vec<Lease>,
    /// Who waits for sqlx to have one.
    waiting: usize,
    /// A task gives those back whose time is over.
    is_watched: bool,
}

impl AtHand {
    /// One that is at hand; else sqlx has to lend one.
    pub fn take(&self) -> Result<Lease, Waiting> {
        let mut leases = self.leases();
        leases.free.pop().ok_or_else(|| self.waiting(leases))
    }

    /// Has sqlx lend one: if there is one at hand, that may be the only one left.
    pub fn wait(&self) -> Waiting {
        let mut leases = self.leases();
        let lease = leases.free.pop();
        let waiting = self.waiting(leases);
        drop(lease);
        waiting
    }

    fn waiting(&self, mut leases: MutexGuard<'_, Leases>) -> Waiting {
        leases.waiting += 1;
        Waiting(self.clone())
    }

    /// For the next statement. Only after a success: of one that failed or was given up, sqlx has to see what became.
    pub fn keep(&self, lease: Lease) {
        if lease.end <= Instant::now() {
            return;
        }
        let mut leases = self.leases();
        if leases.waiting > 0 {
            // Whose turn it is, sqlx knows.
            drop(leases);
            return drop(lease);
        }
        leases.free.push(lease);
        if !std::mem::replace(&mut leases.is_watched, true) {
            drop(tokio::spawn(self.clone().watch()));
        }
    }

    /// Gives all of them back, which sqlx tests then.
    pub fn clear(&self) {
        let leases = std::mem::take(&mut self.leases().free);
        drop(leases);
    }

    async fn watch(self) {
        loop {
            tokio::time::sleep(TERM).await;
            let now = Instant::now();
            let mut leases = self.leases();
            let over: Vec<Lease> = leases.free.extract_if(.., |lease| lease.end <= now).collect();
            leases.is_watched = !leases.free.is_empty();
            let is_over = !leases.is_watched;
            drop(leases);
            drop(over);
            if is_over {
                return;
            }
        }
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for sqlx, until it is dropped: meanwhile nothing is kept from sqlx.
pub(super) struct Waiting(AtHand);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leases().waiting -= 1;
    }
}
