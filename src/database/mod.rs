//! Access to the database: startup, migrations, connection pools and transactions.

use std::{fmt, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QuerySelect};

mod connect;
mod connection;
mod connection_cache;
mod io_runtime;
mod migrate;
mod observer;
mod pool;
mod pooled_connection;
mod postgres;
mod spans;
mod sqlite;
mod url;

pub use connect::ConnectError;
pub use connection::{Connection, Transaction};
pub use migrate::{MigrateError, MigrationStatus};
pub use observer::{Outcome, StatementObserver, is_unique_violation};
pub use pool::PoolStatus;
pub use url::DatabaseUrl;

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    reads: Connection,
    /// On SQLite, a pool with one connection. Writers wait for it in order, so none fails with `SQLITE_BUSY`.
    writes: Connection,
    /// Connections outside the pool, so that health checks succeed even if the pool is busy. On PostgreSQL, a
    /// second connection listens for notifications.
    health_connection: DatabaseConnection,
}

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

impl Database {
    /// Returns the connection for statements that only read.
    pub fn reads(&self) -> &Connection {
        &self.0.reads
    }

    /// Returns the connection for statements that write.
    pub fn writes(&self) -> &Connection {
        &self.0.writes
    }

    /// Returns the state of the pool. On SQLite, the numbers are the sums of the read pool and the write
    /// pool.
    pub fn pool_status(&self) -> PoolStatus {
        let reads = self.0.reads.status();
        if self.kind() == Kind::PostgreSql {
            return reads;
        }
        reads.and(self.0.writes.status())
    }

    pub fn kind(&self) -> Kind {
        match self.0.reads.get_database_backend() {
            DbBackend::Postgres => Kind::PostgreSql,
            _ => Kind::Sqlite,
        }
    }

    /// Returns whether the table `product` can be read within two seconds.
    pub async fn is_reachable(&self) -> bool {
        let query =
            entity::product::Entity::find().select_only().column(entity::product::Column::Id).limit(1);
        let query = query.into_tuple::<i64>().one(&self.0.health_connection);
        matches!(tokio::time::timeout(HEALTH_CHECK_TIMEOUT, query).await, Ok(Ok(_)))
    }
}

/// Timeout of a health check; a slower database counts as unreachable.
const HEALTH_CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The supported databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    PostgreSql,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::PostgreSql => "postgresql",
        })
    }
}
