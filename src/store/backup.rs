//! Reads and restores everything that a database holds, for backups.

use std::sync::Arc;

use async_trait::async_trait;
use entity::{api_token, idempotency_key, product};
use migration::{Migrator, MigratorTrait};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::StoreError;

/// Maximum number of products or API tokens that are read at once. One statement inserts as many.
pub(super) const ROWS_PER_READ: usize = 1000;
/// Maximum number of stored responses that are read at once. A response can be as large as a request body.
pub(super) const RESPONSES_PER_READ: usize = 16;

/// Consecutive rows of one table.
#[derive(Clone, Debug)]
pub enum Rows {
    Products(Vec<product::Model>),
    ApiTokens(Vec<api_token::Model>),
    Responses(Vec<idempotency_key::Model>),
}

impl Rows {
    /// Returns the number of rows.
    #[expect(clippy::len_without_is_empty, reason = "there is always a row")]
    pub fn len(&self) -> usize {
        match self {
            Self::Products(rows) => rows.len(),
            Self::ApiTokens(rows) => rows.len(),
            Self::Responses(rows) => rows.len(),
        }
    }

    /// Appends rows of the same table. Returns rows of another table.
    pub fn append(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Products(rows), Self::Products(other)) => rows.extend(other),
            (Self::ApiTokens(rows), Self::ApiTokens(other)) => rows.extend(other),
            (Self::Responses(rows), Self::Responses(other)) => rows.extend(other),
            (_, other) => return Some(other),
        }
        None
    }
}

/// Statements on everything that a database holds, except the change log.
#[async_trait]
pub trait Backup: Send + Sync {
    /// Sends all rows of one state of the database: products, API tokens, then stored responses, each by the bytes of
    /// their keys. Returns the last generated id. Ends early if the receiver is dropped.
    async fn read_all(&self, rows: mpsc::Sender<Rows>) -> Result<i64, StoreError>;

    /// Begins a transaction that restores the rows of a backup. Other writes wait until it ends.
    async fn begin_restore(&self) -> Result<Arc<dyn Restore>, StoreError>;
}

/// A transaction that restores a backup. It is rolled back if it is dropped.
#[async_trait]
pub trait Restore: Send + Sync {
    /// Returns whether the tables of a backup have no rows.
    async fn is_empty(&self) -> Result<bool, StoreError>;

    async fn insert(&self, rows: Rows) -> Result<(), StoreError>;

    /// Commits. Ids up to `last_id` are not generated again. No earlier position of the change log is valid
    /// afterwards, so that subscribers read all products again.
    async fn commit(&self, last_id: i64) -> Result<(), StoreError>;
}

/// Returns the name of the newest migration, which identifies the schema. Later migrations have greater names.
pub fn schema_version() -> String {
    Migrator::migrations().last().map(|migration| migration.name().to_owned()).unwrap_or_default()
}

/// Returns a random number from which the rows of the change log are counted after a restore. Clients may know any
/// earlier position, also of changes after the backup. The range keeps sequence numbers of changes below 2^63.
pub(super) fn first_log_number() -> i64 {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    i64::try_from(random >> 12).unwrap_or_default() + 1
}
