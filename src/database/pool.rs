//! Lets as many statements through as there are connections: so it is known who waits, and for how long.

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

/// How connections are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// At work.
    pub used: u64,
    /// Open, with nothing to do.
    pub idle: u64,
    /// Most connections.
    pub max: u64,
    /// Statements that wait for one.
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

/// A pool of connections with its gate. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: DatabaseConnection,
    /// For what can be done without sqlx.
    direct: Option<SqliteConnection>,
    connection_cache: ConnectionCache,
    home: IoRuntime,
    places: Arc<Semaphore>,
    pending: Arc<AtomicU64>,
    max: u64,
    patience: Duration,
    pub(super) observer: OptionalObserver,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.connections.fmt(f)
    }
}

impl Pool {
    /// Over connections, of which there are `max`.
    pub(super) fn new(
        connections: DatabaseConnection,
        direct: Option<SqliteConnection>,
        max: u32,
        options: PoolOptions,
        observer: OptionalObserver,
    ) -> Self {
        Self {
            connections,
            direct,
            connection_cache: ConnectionCache::default(),
            home: IoRuntime::here(),
            places: Arc::new(Semaphore::new(usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS))),
            pending: Arc::default(),
            max: max.into(),
            patience: options.acquire_timeout,
            observer,
        }
    }

    /// A transaction, and its place.
    pub(super) async fn begin(
        &self,
        options: TransactionOptions,
    ) -> Result<(DatabaseTransaction, OwnedSemaphorePermit), DbErr> {
        let place = self.place().await?;
        let _waiting = self.connection_cache.wait();
        let connections = self.connections.clone();
        let begin = async move { connections.begin_with_options(options).await };
        Ok((self.home.open(begin).await?, place))
    }

    /// A connection for one statement of this kind.
    pub(super) async fn lease(&self, operation: &'static str) -> Result<ActiveStatement<'_>, DbErr> {
        let place = self.place().await?;
        let lease = match self.connection_cache.take() {
            Ok(lease) => lease,
            // Boxed, here and elsewhere what is rare: room for it in each future above costs each request.
            Err(_waiting) => {
                let connections = self.connections.clone();
                let lend = async move { PooledConnection::new(&connections, MAX_HOLD).await };
                Box::pin(self.home.open(lend)).await?
            }
        };
        Ok(ActiveStatement { pool: self, operation, start: Instant::now(), lease, place })
    }

    /// Does without sqlx what this statement is the main part of; `None` where that can't be.
    pub(super) async fn sqlite_transaction<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<T, DbErr>> {
        let direct = self.direct.as_ref()?;
        Some(match direct.access() {
            Mode::ReadOnly => self.read_directly(direct, sql, work).await,
            Mode::ReadWrite => self.write_directly(direct, sql, work).await,
        })
    }

    /// It has a connection to itself, and waits for nobody who reads much.
    async fn read_directly<T: Send + 'static>(
        &self,
        direct: &SqliteConnection,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbErr> {
        self.observer.connection_acquired(Duration::ZERO);
        let (operation, start) = (operation(sql), Instant::now());
        let span = spans::statement(self.connections.get_database_backend(), operation, sql);
        let done = spans::within(span, async { direct.run((), work).await.0 }).await;
        self.observer.statement_finished(operation, start, &done);
        done
    }

    /// Meanwhile it has sqlx's connection, too: so nothing is under way there, not even a statement that was given up.
    async fn write_directly<T: Send + 'static>(
        &self,
        direct: &SqliteConnection,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbErr> {
        let ActiveStatement { pool, operation, start, lease, place } = self.lease(operation(sql)).await?;
        let span = spans::statement(self.connections.get_database_backend(), operation, sql);
        let mut held = None;
        let run = async {
            let (done, given_back) = direct.run((lease, place), work).await;
            held = given_back;
            done
        };
        let done = spans::within(span, run).await;
        match held {
            Some((lease, place)) => ActiveStatement { pool, operation, start, lease, place }.end(done),
            None => done,
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => {
                self.observer.connection_acquired(Duration::ZERO);
                Ok(place)
            }
            Err(_) => self.wait().await,
        }
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let start = Instant::now();
        let _pending = PendingGuard::among(&self.pending);
        let place = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()).await;
        self.observer.connection_acquired(start.elapsed());
        place.ok().and_then(Result::ok).ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }

    pub(super) fn connections(&self) -> &DatabaseConnection {
        &self.connections
    }

    pub(super) fn state(&self) -> PoolStatus {
        let used = self.max.saturating_sub(self.places.available_permits() as u64);
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

/// A connection on which one statement runs. Its place is given up last.
pub(super) struct ActiveStatement<'a> {
    pool: &'a Pool,
    operation: &'static str,
    start: Instant,
    pub lease: PooledConnection,
    place: OwnedSemaphorePermit,
}

impl ActiveStatement<'_> {
    /// The statement has ended.
    pub(super) fn end<T>(self, done: Result<T, DbErr>) -> Result<T, DbErr> {
        match self.pool.observer.statement_finished(self.operation, self.start, &done) {
            Outcome::Ok | Outcome::UniqueViolation => self.pool.connection_cache.keep(self.lease),
            // If the database went away, so did they.
            Outcome::Error => self.pool.connection_cache.clear(),
        }
        done
    }
}

/// One who waits, until it is dropped.
struct PendingGuard<'a>(&'a AtomicU64);

impl<'a> PendingGuard<'a> {
    fn among(pending: &'a AtomicU64) -> Self {
        pending.fetch_add(1, Ordering::Relaxed);
        Self(pending)
    }
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a statement does: the names of OpenTelemetry's semantic conventions.
pub(super) fn operation(sql: &str) -> &'static str {
    let sql = sql.trim_start();
    let is = |word: &str| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    // With a part that is named first, the verb comes later.
    let verbs = ["INSERT", "UPDATE", "DELETE"];
    if is("SELECT") {
        "SELECT"
    } else if let Some(verb) = verbs.into_iter().find(|verb| is(verb)) {
        verb
    } else if is("WITH") {
        verbs.into_iter().find(|verb| sql.contains(&format!("{verb} "))).unwrap_or("SELECT")
    } else {
        "OTHER"
    }
}
