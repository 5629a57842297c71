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
    at_hand::{AtHand, TERM},
    direct::{Access, Direct},
    home::Home,
    lease::Lease,
    outcome::{Outcome, Watcher},
    spans,
};

/// How connections are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// At work.
    pub used: u64,
    /// Open, with nothing to do.
    pub idle: u64,
    /// Most connections.
    pub max: u64,
    /// Statements that wait for one.
    pub pending: u64,
}

impl PoolState {
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
    direct: Option<Direct>,
    at_hand: AtHand,
    home: Home,
    places: Arc<Semaphore>,
    pending: Arc<AtomicU64>,
    max: u64,
    patience: Duration,
    pub(super) watcher: Watcher,
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
        direct: Option<Direct>,
        max: u32,
        options: PoolOptions,
        watcher: Watcher,
    ) -> Self {
        Self {
            connections,
            direct,
            at_hand: AtHand::default(),
            home: Home::here(),
            places: Arc::new(Semaphore::new(usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS))),
            pending: Arc::default(),
            max: max.into(),
            patience: options.acquire_timeout,
            watcher,
        }
    }

    /// A transaction, and its place.
    pub(super) async fn begin(
        &self,
        options: TransactionOptions,
    ) -> Result<(DatabaseTransaction, OwnedSemaphorePermit), DbErr> {
        let place = self.place().await?;
        let _waiting = self.at_hand.wait();
        let connections = self.connections.clone();
        let begin = async move { connections.begin_with_options(options).await };
        Ok((self.home.open(begin).await?, place))
    }

    /// A connection for one statement of this kind.
    pub(super) async fn lease(&self, operation: &'static str) -> Result<Leased<'_>, DbErr> {
        let place = self.place().await?;
        let lease = match self.at_hand.take() {
            Ok(lease) => lease,
            // Boxed, here and elsewhere what is rare: room for it in each future above costs each request.
            Err(_waiting) => {
                let connections = self.connections.clone();
                let lend = async move { Lease::new(&connections, TERM).await };
                Box::pin(self.home.open(lend)).await?
            }
        };
        Ok(Leased { pool: self, operation, start: Instant::now(), lease, place })
    }

    /// Does without sqlx what this statement is the main part of; `None` where that can't be.
    pub(super) async fn directly<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<T, DbErr>> {
        let direct = self.direct.as_ref()?;
        Some(match direct.access() {
            Access::Read => self.read_directly(direct, sql, work).await,
            Access::Write => self.write_directly(direct, sql, work).await,
        })
    }

    /// It has a connection to itself, and waits for nobody who reads much.
    async fn read_directly<T: Send + 'static>(
        &self,
        direct: &Direct,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbErr> {
        self.watcher.waited(Duration::ZERO);
        let (operation, start) = (operation(sql), Instant::now());
        let span = spans::statement(self.connections.get_database_backend(), operation, sql);
        let done = spans::within(span, async { direct.run((), work).await.0 }).await;
        self.watcher.ran(operation, start, &done);
        done
    }

    /// Meanwhile it has sqlx's connection, too: so nothing is under way there, not even a statement that was given up.
    async fn write_directly<T: Send + 'static>(
        &self,
        direct: &Direct,
        sql: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbErr> {
        let Leased { pool, operation, start, lease, place } = self.lease(operation(sql)).await?;
        let span = spans::statement(self.connections.get_database_backend(), operation, sql);
        let mut held = None;
        let run = async {
            let (done, given_back) = direct.run((lease, place), work).await;
            held = given_back;
            done
        };
        let done = spans::within(span, run).await;
        match held {
            Some((lease, place)) => Leased { pool, operation, start, lease, place }.end(done),
            None => done,
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => {
                self.watcher.waited(Duration::ZERO);
                Ok(place)
            }
            Err(_) => self.wait().await,
        }
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let start = Instant::now();
        let _pending = Pending::among(&self.pending);
        let place = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()).await;
        self.watcher.waited(start.elapsed());
        place.ok().and_then(Result::ok).ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }

    pub(super) fn connections(&self) -> &DatabaseConnection {
        &self.connections
    }

    pub(super) fn state(&self) -> PoolState {
        let used = self.max.saturating_sub(self.places.available_permits() as u64);
        let open = match self.connections.get_database_backend() {
            sea_orm::DbBackend::Postgres => self.connections.get_postgres_connection_pool().size(),
            _ => self.connections.get_sqlite_connection_pool().size(),
        };
        PoolState {
            used,
            idle: u64::from(open).saturating_sub(used),
            max: self.max,
            pending: self.pending.load(Ordering::Relaxed),
        }
    }
}

/// A connection on which one statement runs. Its place is given up last.
pub(super) struct Leased<'a> {
    pool: &'a Pool,
    operation: &'static str,
    start: Instant,
    pub lease: Lease,
    place: OwnedSemaphorePermit,
}

impl Leased<'_> {
    /// The statement has ended.
    pub(super) fn end<T>(self, done: Result<T, DbErr>) -> Result<T, DbErr> {
        match self.pool.watcher.ran(self.operation, self.start, &done) {
            Outcome::Done | Outcome::Refused => self.pool.at_hand.keep(self.lease),
            // If the database went away, so did they.
            Outcome::Failed => self.pool.at_hand.clear(),
        }
        done
    }
}

/// One who waits, until it is dropped.
struct Pending<'a>(&'a AtomicU64);

impl<'a> Pending<'a> {
    fn among(pending: &'a AtomicU64) -> Self {
        pending.fetch_add(1, Ordering::Relaxed);
        Self(pending)
    }
}

impl Drop for Pending<'_> {
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
