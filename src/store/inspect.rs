//! Inspects a database without changing it, for diagnosis. [`open`](super::open()) would create and migrate it.

use std::time::{Duration, SystemTime};

use migration::{Migrator, MigratorTrait};

use super::{DatabaseUrl, StoreError, postgres, sqlite};

pub(super) const SELECT_MIGRATIONS: &str = "SELECT version FROM seaql_migrations";

/// Findings about a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Version of the database software.
    pub version: String,
    pub schema: SchemaState,
    /// Reason why the server cannot write, or `None` if it can.
    pub read_only: Option<ReadOnly>,
    /// Description of damage, or `None` if none was found in a short search; SQLite only.
    pub damage: Option<String>,
    /// Time of the database's clock, and the time at which it was read; PostgreSQL only.
    pub clock: Option<(SystemTime, SystemTime)>,
    /// Number of connections that the database allows; PostgreSQL only.
    pub max_connections: Option<u32>,
}

/// Reason why a server cannot write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadOnly {
    /// It follows a primary; PostgreSQL only.
    #[error("it is a standby")]
    Standby,
    #[error("{0}")]
    Other(String),
}

/// State of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    Missing,
    /// Number of migrations to apply.
    Older(usize),
    Current,
    /// Name of an unknown migration.
    Newer(String),
}

impl SchemaState {
    pub(super) fn of(applied: &[String]) -> Self {
        let known = Migrator::migrations();
        let is_known = |name: &String| known.iter().any(|migration| migration.name() == name);
        match (applied.iter().find(|name| !is_known(name)), known.len().saturating_sub(applied.len())) {
            _ if applied.is_empty() => Self::Missing,
            (Some(unknown), _) => Self::Newer(unknown.clone()),
            (None, 0) => Self::Current,
            (None, pending) => Self::Older(pending),
        }
    }
}

/// Reason why a database cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("a connection pooler shares connections between clients")]
    Pooler,
    #[error("no response within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Inspects a database. A SQLite file must exist.
///
/// # Errors
/// Returns an [`InspectError`] if the database cannot be read within `timeout`.
pub async fn inspect(url: &DatabaseUrl, timeout: Duration) -> Result<Inspection, InspectError> {
    match url {
        DatabaseUrl::Sqlite(file) => Ok(sqlite::inspect(file)?),
        DatabaseUrl::PostgreSql(servers) => {
            let inspection = tokio::time::timeout(timeout, postgres::inspect(servers)).await;
            inspection.map_err(|_| InspectError::TimedOut(timeout))?
        }
    }
}
