//! Opens the database at startup, and waits for a PostgreSQL server that is not available yet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectOptions, DbErr,
    sqlx::{
        self, ConnectOptions as _, Connection as _, PgConnection,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tracing::info;

use super::{
    Connection, Connections, Database, DatabaseUrl, PoolOptions,
    observer::{OptionalObserver, StatementObserver},
    pool::Pool,
    sqlite::connection::{BUSY_TIMEOUT, Mode, SqliteConnection},
};

/// Reason why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A permanent error, such as a wrong password. A retry would fail as well.
    #[error("{0} rejected the connection: {1}")]
    Rejected(DatabaseUrl, sqlx::Error),
    /// No successful connection within [`PoolOptions::wait`].
    #[error("{0} did not respond within {wait}: {reason}", wait = humantime::format_duration(*.1), reason = .2)]
    TimedOut(DatabaseUrl, Duration, String),
    /// SeaORM could not open the database.
    #[error("cannot open {0}: {1}")]
    Open(DatabaseUrl, DbErr),
}

/// Timeout of one attempt to connect.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shortest and longest pause between attempts. Each pause is twice the previous one.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Idle time after which a connection is tested before use, because a proxy may have closed it.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(10);
/// Size of the page cache of all SQLite connections of a pool, in KiB. It is small, because the operating
/// system also caches the file.
const POOL_CACHE_KIB: u32 = 4 << 10;
/// Minimum size of the page cache of each SQLite connection of a pool, in KiB.
const MIN_CONNECTION_CACHE_KIB: u32 = 64;

impl Database {
    /// Opens the database. Creates a missing SQLite file.
    ///
    /// # Errors
    /// Returns a [`ConnectError`] if the database cannot be opened in time.
    pub async fn connect(
        url: &DatabaseUrl,
        options: PoolOptions,
        observer: Option<Arc<dyn StatementObserver>>,
    ) -> Result<Self, ConnectError> {
        let open = async |connections, read_only| {
            let mut connect_options = match url {
                DatabaseUrl::Sqlite(file) => sqlite_options(file, read_only, connections, options),
                DatabaseUrl::PostgreSql(server) => postgres_options(server, options),
            };
            sea_orm::Database::connect(connect_options.max_connections(connections).to_owned())
                .await
                .map_err(|error| ConnectError::Open(url.clone(), error))
        };
        let observer = OptionalObserver(observer);
        let pool = |connections, sqlite, max| {
            Connection::Pool(Pool::new(connections, sqlite, max, options, observer.clone()))
        };
        let connections = match url {
            DatabaseUrl::Sqlite(file) => {
                let sqlite = |mode| Some(SqliteConnection::new(file.get_filename(), mode));
                let writes = pool(open(1, false).await?, sqlite(Mode::ReadWrite), 1);
                let reads = open(options.connections, true).await?;
                Connections {
                    reads: pool(reads, sqlite(Mode::ReadOnly), options.connections),
                    writes,
                    health_connection: open(1, true).await?,
                }
            }
            DatabaseUrl::PostgreSql(server) => {
                wait_for_server(url, server, options.wait).await?;
                let pool = pool(open(options.connections, false).await?, None, options.connections);
                let health_connection = open(2, true).await?;
                Connections { reads: pool.clone(), writes: pool, health_connection }
            }
        };
        Ok(Self(Arc::new(connections)))
    }
}

/// Returns the options that both databases share. SeaORM gets the scheme alone, because it logs the URL at level
/// `trace`, and the URL may contain a password. The callers pass the other parts as parsed options.
fn base_options(scheme: &str, options: PoolOptions) -> ConnectOptions {
    let mut connect_options = ConnectOptions::new(scheme);
    connect_options.acquire_timeout(options.acquire_timeout).test_before_acquire_if_idle_for(TEST_AFTER_IDLE);
    connect_options
}

fn sqlite_options(
    file: &SqliteConnectOptions,
    read_only: bool,
    connections: u32,
    options: PoolOptions,
) -> ConnectOptions {
    let cache = (POOL_CACHE_KIB / connections).max(MIN_CONNECTION_CACHE_KIB);
    let file = file
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With FULL, a commit is on disk before it is acknowledged.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("query_only", if read_only { "on" } else { "off" })
        // A negative number is a size in KiB.
        .pragma("cache_size", format!("-{cache}"))
        .disable_statement_logging();
    let mut connect_options = base_options("sqlite:", options);
    connect_options.map_sqlx_sqlite_opts(move |_| file.clone());
    connect_options
}

fn postgres_options(server: &PgConnectOptions, options: PoolOptions) -> ConnectOptions {
    let server = server
        .clone()
        .application_name("stockmeter")
        .options([
            ("statement_timeout", options.statement_timeout.as_millis().to_string()),
            // Safeguard: no request should leave a transaction idle. If one does, the transaction must not
            // keep its locks.
            ("idle_in_transaction_session_timeout", "10s".to_owned()),
        ])
        .disable_statement_logging();
    let mut connect_options = base_options("postgres://", options);
    connect_options.map_sqlx_postgres_opts(move |_| server.clone());
    connect_options
}

/// Tries to connect to PostgreSQL, with increasing pauses, until an attempt succeeds or `wait` has elapsed.
async fn wait_for_server(
    url: &DatabaseUrl,
    server: &PgConnectOptions,
    wait: Duration,
) -> Result<(), ConnectError> {
    let start = Instant::now();
    let mut pause = BACKOFF.0;
    loop {
        let remaining = wait.saturating_sub(start.elapsed());
        let timeout = ATTEMPT_TIMEOUT.min(remaining.max(BACKOFF.0));
        let reason = match tokio::time::timeout(timeout, PgConnection::connect_with(server)).await {
            Ok(Ok(connection)) => {
                // The connection was only a test, so an error on close does not matter.
                drop(connection.close().await);
                return Ok(());
            }
            Ok(Err(error)) if is_permanent(&error) => return Err(ConnectError::Rejected(url.clone(), error)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no response".to_owned(),
        };
        let remaining = wait.saturating_sub(start.elapsed());
        if remaining.is_zero() {
            return Err(ConnectError::TimedOut(url.clone(), wait, reason));
        }
        info!(database = %url, reason, "waiting for the database, giving up in {} s", remaining.as_secs());
        tokio::time::sleep(pause.min(remaining)).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Returns whether a retry would fail as well: the user, password, database or a permission is wrong.
fn is_permanent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("28") || ["3D000", "42501"].contains(&code.as_ref())),
        sqlx::Error::Configuration(_) => true,
        _ => false,
    }
}
