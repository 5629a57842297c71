//! Opens the store, waiting for a database that is still on its way up.

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
    sqlite::connection::{Mode, SqliteConnection},
};

/// Why the store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It answered and refused: waiting would not help.
    #[error("{0} refused the connection: {1}")]
    Refused(DatabaseUrl, sqlx::Error),
    /// It did not answer in time.
    #[error("{0} did not answer within {wait}: {reason}", wait = humantime::format_duration(*.1), reason = .2)]
    TimedOut(DatabaseUrl, Duration, String),
    /// SeaORM could not open it.
    #[error("can't open {0}: {1}")]
    Open(DatabaseUrl, DbErr),
}

/// One try to connect may take this long.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// The waits between tries grow from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A connection that idled longer is tested before use: a proxy may have closed it.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(10);
/// What SQLite's connections of a pool keep of the file together, and each of them at least, in KiB. The system keeps it
/// too: what is not at hand is a copy away.
const POOL_CACHE: u32 = 4 << 10;
const LEAST_CACHE: u32 = 64;
/// How long a second process on the same SQLite file waits for its turn to write.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl Database {
    /// Opens the store; creates a SQLite file that is missing.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        url: &DatabaseUrl,
        options: PoolOptions,
        watch: Option<Arc<dyn StatementObserver>>,
    ) -> Result<Self, ConnectError> {
        let open = async |connections, read_only| {
            let mut pool = match url {
                DatabaseUrl::Sqlite(file) => sqlite(file, read_only, connections, options),
                DatabaseUrl::PostgreSql(server) => postgres(server, options),
            };
            sea_orm::Database::connect(pool.max_connections(connections).to_owned())
                .await
                .map_err(|error| ConnectError::Open(url.clone(), error))
        };
        let observer = OptionalObserver(watch);
        let pool = |connections, direct, max| {
            Connection::Pool(Pool::new(connections, direct, max, options, observer.clone()))
        };
        let connections = match url {
            DatabaseUrl::Sqlite(file) => {
                let direct = |access| Some(SqliteConnection::new(file.get_filename(), access));
                let writes = pool(open(1, false).await?, direct(Mode::ReadWrite), 1);
                let reads = open(options.connections, true).await?;
                Connections {
                    reads: pool(reads, direct(Mode::ReadOnly), options.connections),
                    writes,
                    health_connection: open(1, true).await?,
                }
            }
            DatabaseUrl::PostgreSql(server) => {
                wait_for(url, server, options.wait).await?;
                let pool = pool(open(options.connections, false).await?, None, options.connections);
                let health_connection = open(2, true).await?;
                Connections { reads: pool.clone(), writes: pool, health_connection }
            }
        };
        Ok(Self(Arc::new(connections)))
    }
}

/// SeaORM takes a URL too, but logs it at the level of trace: it gets the parsed options alone.
fn pool(kind: &str, options: PoolOptions) -> ConnectOptions {
    let mut pool = ConnectOptions::new(kind);
    pool.acquire_timeout(options.acquire_timeout).test_before_acquire_if_idle_for(TEST_AFTER_IDLE);
    pool
}

fn sqlite(
    file: &SqliteConnectOptions,
    read_only: bool,
    connections: u32,
    options: PoolOptions,
) -> ConnectOptions {
    let cache = (POOL_CACHE / connections).max(LEAST_CACHE);
    let file = file
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit is on the disk before it is acknowledged.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("query_only", if read_only { "on" } else { "off" })
        // Negative: in KiB.
        .pragma("cache_size", format!("-{cache}"))
        .disable_statement_logging();
    let mut pool = pool("sqlite:", options);
    pool.map_sqlx_sqlite_opts(move |_| file.clone());
    pool
}

fn postgres(server: &PgConnectOptions, options: PoolOptions) -> ConnectOptions {
    let server = server
        .clone()
        .application_name("stockmeter")
        .options([
            ("statement_timeout", options.statement_timeout.as_millis().to_string()),
            // No request leaves a transaction open; should one do so, it must not keep its locks.
            ("idle_in_transaction_session_timeout", "10s".to_owned()),
        ])
        .disable_statement_logging();
    let mut pool = pool("postgres://", options);
    pool.map_sqlx_postgres_opts(move |_| server.clone());
    pool
}

/// Tries until PostgreSQL takes a connection, with growing pauses.
async fn wait_for(url: &DatabaseUrl, server: &PgConnectOptions, wait: Duration) -> Result<(), ConnectError> {
    let start = Instant::now();
    let mut pause = BACKOFF.0;
    loop {
        let left = wait.saturating_sub(start.elapsed());
        let patience = TRY_TIMEOUT.min(left.max(BACKOFF.0));
        let reason = match tokio::time::timeout(patience, PgConnection::connect_with(server)).await {
            Ok(Ok(connection)) => {
                // It has served its purpose; how it ends does not matter.
                drop(connection.close().await);
                return Ok(());
            }
            Ok(Err(error)) if is_permanent(&error) => return Err(ConnectError::Refused(url.clone(), error)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        let left = wait.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(ConnectError::TimedOut(url.clone(), wait, reason));
        }
        info!(database = %url, reason, "waiting for the database, giving up in {} s", left.as_secs());
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Wrong user, password, database or rights: the same answer would come again.
fn is_permanent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("28") || ["3D000", "42501"].contains(&code.as_ref())),
        sqlx::Error::Configuration(_) => true,
        _ => false,
    }
}
