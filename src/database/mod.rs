//! The store: how it is reached, waited for and brought to the newest schema.

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

/// The open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    reads: Connection,
    /// On SQLite there is one writer at a time: callers queue for it in order, none meets `SQLITE_BUSY`.
    writes: Connection,
    /// One connection for health, since a busy pool is not a database that can't be reached, and on PostgreSQL one
    /// to be woken by.
    health_connection: DatabaseConnection,
}

/// How the pool behaves.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Most connections.
    pub connections: u32,
    /// Longest wait at start for a database that does not answer yet.
    pub wait: Duration,
    /// Longest wait of a request for a free connection.
    pub acquire_timeout: Duration,
    /// Longest time that PostgreSQL works on one statement.
    pub statement_timeout: Duration,
}

impl Database {
    /// For statements that only read.
    pub fn reads(&self) -> &Connection {
        &self.0.reads
    }

    /// For statements that write.
    pub fn writes(&self) -> &Connection {
        &self.0.writes
    }

    /// How sqlx's connections are doing: on SQLite those that read and the one that writes, all together.
    pub fn pool(&self) -> PoolStatus {
        let reads = self.0.reads.state();
        if self.kind() == Kind::PostgreSql {
            return reads;
        }
        reads.and(self.0.writes.state())
    }

    /// Which of the two it is.
    pub fn kind(&self) -> Kind {
        match self.0.reads.get_database_backend() {
            DbBackend::Postgres => Kind::PostgreSql,
            _ => Kind::Sqlite,
        }
    }

    /// Whether the catalog's table can be read, as every request does; not within 2 s is no.
    pub async fn is_reachable(&self) -> bool {
        let query =
            entity::product::Entity::find().select_only().column(entity::product::Column::Id).limit(1);
        let answer =
            tokio::time::timeout(CHECK_TIMEOUT, query.into_tuple::<i64>().one(&self.0.health_connection))
                .await;
        matches!(answer, Ok(Ok(_)))
    }
}

/// Who asks whether the database answers does not wait longer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The databases that Stockmeter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Embedded, one file.
    Sqlite,
    /// A server.
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
