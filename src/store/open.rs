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

/// A replica of the database, for reads.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    pub url: DatabaseUrl,
    /// Maximum time that a read waits until the replica has the client's changes. Then it asks the primary.
    pub wait: Duration,
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
    /// A replica of a database that has none, or that is not a server.
    #[error(
        "only PostgreSQL has replicas: unset DATABASE_READ_URL, or make it and DATABASE_URL URLs of PostgreSQL"
    )]
    Replica,
    /// The database cannot be opened.
    #[error("cannot open {0}: {1}")]
    Open(DatabaseUrl, StoreError),
}

/// Opens the database. Creates a missing SQLite file, and waits for a PostgreSQL server that is not available
/// yet. Does not wait for the replica. Must be called on the runtime that serves requests.
///
/// # Errors
/// Returns an [`OpenError`] if the database cannot be opened in time.
pub async fn open(
    url: &DatabaseUrl,
    replica: Option<&ReplicaOptions>,
    options: PoolOptions,
    observer: Option<Arc<dyn StatementObserver>>,
) -> Result<Arc<dyn Store>, OpenError> {
    let observer = OptionalObserver(observer);
    let failed = |error| OpenError::Open(url.clone(), error);
    Ok(match url {
        DatabaseUrl::Sqlite(_) if replica.is_some() => return Err(OpenError::Replica),
        DatabaseUrl::Sqlite(file) => Arc::new(Sqlite::open(file, options, observer).map_err(failed)?),
        DatabaseUrl::PostgreSql(servers) => {
            let replica = match replica {
                None => None,
                Some(ReplicaOptions { url: DatabaseUrl::PostgreSql(servers), wait }) => {
                    Some((servers, *wait))
                }
                Some(_) => return Err(OpenError::Replica),
            };
            connect::wait_for_server(url, servers, options.wait).await?;
            if pooler::shares_connections(servers).await.map_err(|error| failed(error.into()))? {
                return Err(OpenError::Pooler(url.clone()));
            }
            Arc::new(Postgres::open(servers, options, observer, replica).map_err(failed)?)
        }
    })
}
