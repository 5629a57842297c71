//! Opens the database at startup.

use std::{sync::Arc, time::Duration};

use super::{
    DatabaseUrl, StatementObserver, Store, StoreError,
    observer::OptionalObserver,
    postgres::{Postgres, connect, pooler},
    sqlite::Sqlite,
};

/// Size and timeouts of the connection pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Maximum number of connections.
    pub connections: u32,
    /// Maximum wait at startup until the database accepts connections; PostgreSQL only.
    pub wait: Duration,
    /// Maximum wait of a statement for a free connection.
    pub acquire_timeout: Duration,
    /// Maximum duration of one statement; PostgreSQL only.
    pub statement_timeout: Duration,
}

/// Reason why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A permanent error, such as a wrong password. A retry would fail as well.
    #[error("{0} rejected the connection: {1}")]
    Rejected(DatabaseUrl, String),
    /// No successful connection within [`PoolOptions::wait`].
    #[error("{0} did not respond within {wait}: {reason}", wait = humantime::format_duration(*.1), reason = .2)]
    TimedOut(DatabaseUrl, Duration, String),
    /// A connection pooler that shares connections between clients.
    #[error(
        "{0} is a connection pooler that shares connections between clients: set its pool mode to session, or \
         connect to PostgreSQL directly"
    )]
    Pooler(DatabaseUrl),
    /// The database cannot be opened.
    #[error("cannot open {0}: {1}")]
    Open(DatabaseUrl, StoreError),
}

/// Opens the database. Creates a missing SQLite file, and waits for a PostgreSQL server that is not available
/// yet. Must be called on the runtime that serves requests.
///
/// # Errors
/// Returns an [`OpenError`] if the database cannot be opened in time.
pub async fn open(
    url: &DatabaseUrl,
    options: PoolOptions,
    observer: Option<Arc<dyn StatementObserver>>,
) -> Result<Arc<dyn Store>, OpenError> {
    let observer = OptionalObserver(observer);
    let failed = |error| OpenError::Open(url.clone(), error);
    Ok(match url {
        DatabaseUrl::Sqlite(file) => Arc::new(Sqlite::open(file, options, observer).map_err(failed)?),
        DatabaseUrl::PostgreSql(servers) => {
            connect::wait_for_server(url, servers, options.wait).await?;
            if pooler::shares_connections(servers).await.map_err(|error| failed(error.into()))? {
                return Err(OpenError::Pooler(url.clone()));
            }
            Arc::new(Postgres::open(servers, options, observer).map_err(failed)?)
        }
    })
}
