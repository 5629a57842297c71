//! The connection pool. Its permits limit the number of concurrent statements. The wait for a permit is
//! measured and has a timeout.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Transaction;
use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DatabaseTransaction, DbErr, TransactionOptions, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    PoolOptions,
    connection_cache::{ConnectionCache, MAX_HOLD},
    io_runtime::IoRuntime,
    observer::{OptionalObserver, Outcome},
    pooled_connection::PooledConnection,
    spans,
    sqlite::connection::{Mode, SqliteConnection},
};

/// Numbers of connections and waiting statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections in use.
    pub used: u64,
    /// Open connections that are not in use.
    pub idle: u64,
    /// Maximum number of connections.
    pub max: u64,
    /// Statements waiting for a connection.
    pub pending: u64,
}

impl PoolStatus {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            used: self.used + other.used,
            idle: self.idle + other.idle,
            max: self.max + other.max,
            pending: self.pending + other.pending,
        }
    }
}

/// A connection pool with one permit per connection. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: DatabaseConnection,
    /// Additional connection through rusqlite; `None` on PostgreSQL.
    sqlite: Option<SqliteConnection>,
    connection_cache: ConnectionCache,
    io_runtime: IoRuntime,
    permits: Arc<Semaphore>,
    pending: Arc<AtomicU64>,
    max: u64,
    acquire_timeout: Duration,
    pub(super) observer: OptionalObserver,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.connections.fmt(f)
    }
}

impl Pool {
    /// Creates a pool with at most `max` of sqlx's `connections`.
    pub(super) fn new(
        connections: DatabaseConnection,
        sqlite: Option<SqliteConnection>,
        max: u32,
        options: PoolOptions,
        observer: OptionalObserver,
    ) -> Self {
        Self {
            connections,
            sqlite,
            connection_cache: ConnectionCache::default(),
            io_runtime: IoRuntime::current(),
            permits: Arc::new(Semaphore::new(usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS))),
            pending: Arc::default(),
            max: max.into(),
            acquire_timeout: options.acquire_timeout,
            observer,
        }
    }

    /// Begins a transaction and returns it with its permit.
    pub(super) async fn begin(
        &self,
        options: TransactionOptions,
    ) -> Result<(DatabaseTransaction, OwnedSemaphorePermit), DbErr> {
        let permit = self.acquire_permit().await?;
        let _waiter = self.connection_cache.wait_for_pool();
        let connections = self.connections.clone();
        let begin = async move { connections.begin_with_options(options).await };
        Ok((self.io_runtime.spawn(begin).await?, permit))
    }

    /// Returns a connection for one statement.
    pub(super) async fn acquire(&self, operation: &'static str) -> Result<ActiveStatement<'_>, DbErr> {
        let permit = self.acquire_permit().await?;
        let connection = match self.connection_cache.pop() {
            Ok(connection) => connection,
            // This case is rare. It is boxed so that its state does not enlarge the future of every request.
            Err(_waiter) => {
                let connections = self.connections.clone();
                let acquire = async move { PooledConnection::acquire(&connections, MAX_HOLD).await };
                Box::pin(self.io_runtime.spawn(acquire)).await?
            }
        };
        Ok(ActiveStatement { pool: self, operation, start: Instant::now(), connection, permit })
    }

    /// Runs `work` in a transaction on the rusqlite connection. Returns `None` if the pool has no such
    /// connection. `sql` is the main statement, for metrics and spans only.
    pub(super) async fn sqlite_transaction<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<T, DbErr>> {
        let sqlite = self.sqlite.as_ref()?;
        Some(match sqlite.mode() {
            Mode::ReadOnly => self.read_transaction(sqlite, sql, work).await,
            Mode::ReadWrite => self.write_transaction(sqlite, sql, work).await,
        })
    }

    /// Reads without a permit, because the rusqlite connection is separate from sqlx's pool. Long reads on
    /// sqlx's connections do not delay it.
    async fn read_transaction<T: Send + 'static>(
        &self,
        sqlite: &SqliteConnection,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbErr> {
        self.observer.connection_acquired(Duration::ZERO);
        let (operation, start) = (operation_name(sql), Instant::now());
        let span = spans::statement_span(self.connections.get_database_backend(), operation, sql);
        let result = spans::instrument(span, async { sqlite.transaction((), work).await.0 }).await;
        self.observer.statement_finished(operation, start, &result);
        result
    }

    /// Writes while holding sqlx's only write connection. No other write can run at the same time, not even a
    /// cancelled one.
    async fn write_transaction<T: Send + 'static>(
        &self,
        sqlite: &SqliteConnection,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbErr> {
        let ActiveStatement { pool, operation, start, connection, permit } =
            self.acquire(operation_name(sql)).await?;
        let span = spans::statement_span(self.connections.get_database_backend(), operation, sql);
        let mut returned = None;
        let run = async {
            let (result, held) = sqlite.transaction((connection, permit), work).await;
            returned = held;
            result
        };
        let result = spans::instrument(span, run).await;
        match returned {
            Some((connection, permit)) => {
                ActiveStatement { pool, operation, start, connection, permit }.finish(result)
            }
            None => result,
        }
    }

    async fn acquire_permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => {
                self.observer.connection_acquired(Duration::ZERO);
                Ok(permit)
            }
            Err(_) => self.wait_for_permit().await,
        }
    }

    async fn wait_for_permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let start = Instant::now();
        let _pending = PendingGuard::new(&self.pending);
        let permit = tokio::time::timeout(self.acquire_timeout, self.permits.clone().acquire_owned()).await;
        self.observer.connection_acquired(start.elapsed());
        permit.ok().and_then(Result::ok).ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }

    pub(super) fn connections(&self) -> &DatabaseConnection {
        &self.connections
    }

    pub(super) fn status(&self) -> PoolStatus {
        let used = self.max.saturating_sub(self.permits.available_permits() as u64);
        let open = match self.connections.get_database_backend() {
            sea_orm::DbBackend::Postgres => self.connections.get_postgres_connection_pool().size(),
            _ => self.connections.get_sqlite_connection_pool().size(),
        };
        PoolStatus {
            used,
            idle: u64::from(open).saturating_sub(used),
            max: self.max,
            pending: self.pending.load(Ordering::Relaxed),
        }
    }
}

/// A running statement with its connection. The permit is the last field, so it is released after the
/// connection.
pub(super) struct ActiveStatement<'a> {
    pool: &'a Pool,
    operation: &'static str,
    start: Instant,
    pub connection: PooledConnection,
    permit: OwnedSemaphorePermit,
}

impl ActiveStatement<'_> {
    /// Reports the result to the observer, releases the connection and returns the result.
    pub(super) fn finish<T>(self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        match self.pool.observer.statement_finished(self.operation, self.start, &result) {
            Outcome::Ok | Outcome::UniqueViolation => self.pool.connection_cache.put(self.connection),
            // If the connection to the database was lost, the idle connections are broken too.
            Outcome::Error => self.pool.connection_cache.clear(),
        }
        result
    }
}

/// Counts one statement as waiting until the guard is dropped.
struct PendingGuard<'a>(&'a AtomicU64);

impl<'a> PendingGuard<'a> {
    fn new(pending: &'a AtomicU64) -> Self {
        pending.fetch_add(1, Ordering::Relaxed);
        Self(pending)
    }
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the verb of a statement as `db.operation.name` (OpenTelemetry semantic conventions).
pub(super) fn operation_name(sql: &str) -> &'static str {
    let sql = sql.trim_start();
    let is = |word: &str| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let verbs = ["INSERT", "UPDATE", "DELETE"];
    if is("SELECT") {
        "SELECT"
    } else if let Some(verb) = verbs.into_iter().find(|verb| is(verb)) {
        verb
    } else if is("WITH") {
        // The verb follows the common table expressions.
        verbs.into_iter().find(|verb| sql.contains(&format!("{verb} "))).unwrap_or("SELECT")
    } else {
        "OTHER"
    }
}
