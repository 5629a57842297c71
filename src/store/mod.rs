//! The databases. [`Store`] is what the catalog asks of a database, in terms of the domain. Only this module
//! contains SQL.
//!
//! There are two implementations, one of which is chosen at startup: [`sqlite`] and [`postgres`].

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::DatabaseConnection;

mod backup;
mod error;
mod insert;
mod inspect;
mod log_read;
mod migrate;
mod observer;
mod open;
mod pending;
mod postgres;
mod replica;
mod row;
mod schema_check;
mod spans;
mod sql;
mod sqlite;
mod url;
mod write_state;

pub use backup::{Backup, Restore, Rows, schema_version};
pub use error::StoreError;
pub use insert::{GENERATED_ID_LIMIT, Insert, Inserted, LockWait, RowConflict, StoredIds};
pub use inspect::{InspectError, Inspection, ReadOnly, SchemaState, inspect};
pub use log_read::LogRead;
pub use migrate::{MigrateError, MigrationStatus, check_migrated, migrate_down, migrate_up, migrations};
pub use observer::{Outcome, StatementObserver};
pub use open::{OpenError, PoolOptions, ReplicaOptions, open};
pub use replica::{ReplicaStatus, Replication, ReplicationLag};
pub use url::DatabaseUrl;
pub use write_state::WriteState;

use crate::domain::{
    ApiToken, Error, Filter, Fingerprint, IdempotencyKey, Listing, LogPosition, NewProduct, PageRequest,
    Product, ProductId, ProductWrite, ReadFrom, TokenId, Version,
};

/// A database of products. Every method is atomic and is its own transaction.
///
/// A method whose future is dropped has either its whole effect or none.
#[async_trait]
pub trait Store: ProductStatements + ApiTokens + Backup + Replication + fmt::Debug {
    fn kind(&self) -> Kind;

    /// Returns the numbers of connections and of waiting statements.
    fn pool_status(&self) -> PoolStatus;

    /// Returns whether the table `product` can be read within two seconds, even if the pool is busy.
    async fn is_reachable(&self) -> bool;

    /// Returns whether writes work, as the last ones have shown.
    fn write_state(&self) -> &WriteState;

    /// Writes a row that the next pruning of idempotency keys deletes, and updates the state of writes.
    async fn try_write(&self) -> Result<(), StoreError>;

    /// Returns those of the products that exist, in any order.
    async fn get_many(&self, ids: &[ProductId], from: ReadFrom) -> Result<Vec<Product>, StoreError>;

    /// Returns the products of a page in the order of reading, and the one that follows the page, if any.
    async fn page(
        &self,
        listing: &Listing,
        page: &PageRequest,
        from: ReadFrom,
    ) -> Result<Vec<Product>, StoreError>;

    /// Returns the number of products that match the filter.
    async fn count(&self, filter: &Filter, from: ReadFrom) -> Result<u64, StoreError>;

    /// Returns the number of products and the sum of their amounts. Reads the whole table.
    async fn totals(&self) -> Result<(u64, u64), StoreError>;

    /// Carries out changes of single products in the given order, each with its own outcome.
    async fn write_each(
        &self,
        writes: Vec<ProductWrite>,
        wait: RowWait,
    ) -> Result<Vec<WriteOutcome>, StoreError>;

    /// Begins a transaction of several statements. It is rolled back if it is dropped.
    async fn begin(&self) -> Result<Arc<dyn Transaction>, StoreError>;

    /// Returns up to `limit` changes after a position of the change log.
    async fn changes_after(&self, position: LogPosition, limit: u32) -> Result<LogRead, StoreError>;

    /// Returns the newest position of the change log that no running transaction can precede. Returns `None`
    /// if every position can still be preceded.
    async fn newest_position(&self) -> Result<Option<LogPosition>, StoreError>;

    /// Returns the age of the oldest change that waits for older transactions to end. Returns zero if no
    /// change waits.
    async fn change_lag(&self) -> Result<Duration, StoreError>;

    /// Deletes up to `max_rows` rows of changes older than `max_age`, and returns their number. Keeps the newest
    /// row, because a client's cursor may refer to it.
    async fn prune_change_log(&self, max_age: Duration, max_rows: u32) -> Result<u64, StoreError>;

    /// Returns the response stored for a key after a Unix time in seconds, without a lock.
    async fn finished_response(
        &self,
        key: &IdempotencyKey,
        created_after: i64,
    ) -> Result<Option<StoredResponse>, StoreError>;

    /// Deletes stored responses that were created at or before a Unix time in seconds.
    async fn prune_idempotency_keys(&self, created_until: i64) -> Result<(), StoreError>;

    /// Notifies other instances of a change. `name` is the name of this instance. A notification may be lost.
    async fn notify_peers(&self, name: &str) -> Result<(), StoreError>;

    /// Calls `notified` for each notification from an instance other than `name`, and each time a
    /// notification may have been missed. Never returns.
    async fn on_notification(&self, name: &str, notified: &(dyn Fn() + Send + Sync));

    /// Returns a SeaORM connection for migrations.
    async fn schema_connection(&self) -> Result<DatabaseConnection, StoreError>;

    /// Closes all connections. Later statements fail.
    async fn close(&self);
}

/// Statements on any number of products, each in a transaction of its own or in a [`Transaction`].
#[async_trait]
pub trait ProductStatements: Send + Sync {
    /// Inserts products, all or none, and returns their ids.
    async fn insert(&self, insert: &Insert) -> Result<Inserted, StoreError>;

    /// Returns those of the ids that belong to existing products.
    async fn existing_ids(&self, ids: Vec<ProductId>) -> Result<Vec<ProductId>, StoreError>;

    /// Advances the counter of generated ids past ids that clients have used, or are about to use, until
    /// `wanted` ids are free.
    async fn skip_used_ids(&self, ids: &[ProductId], wanted: usize) -> Result<(), StoreError>;

    /// Replaces all of the products and returns their new versions. Changes nothing and returns an empty map
    /// if one of the products does not exist. All products must have ids, and no two the same.
    async fn replace_many(
        &self,
        products: Arc<Vec<NewProduct>>,
    ) -> Result<HashMap<ProductId, Version>, StoreError>;

    /// Deletes the products that match the filter and returns their number.
    async fn delete_many(&self, filter: &Filter) -> Result<u64, StoreError>;
}

/// Statements on API tokens.
#[async_trait]
pub trait ApiTokens: Send + Sync {
    /// Returns all tokens, also those that have ended, the oldest first.
    async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError>;

    async fn insert_api_token(&self, token: &ApiToken) -> Result<(), StoreError>;

    /// Ends a token now or later. Does nothing if the token does not exist.
    async fn end_api_token(&self, id: TokenId, end: TokenEnd) -> Result<(), StoreError>;

    /// Stores the time at which tokens were used, in seconds since 1970 (UTC).
    async fn set_api_tokens_used(&self, ids: &[TokenId], time: i64) -> Result<(), StoreError>;
}

/// A transaction of several statements. A failed statement has no effect, and the transaction goes on.
#[async_trait]
pub trait Transaction: ProductStatements {
    /// Returns those of the products that exist, in any order.
    async fn get_many(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError>;

    /// Carries out a change of one product.
    async fn write(&self, write: ProductWrite) -> Result<Result<Product, Error>, StoreError>;

    /// Returns the response stored for a key after a Unix time in seconds. Locks the key until the
    /// transaction ends.
    async fn stored_response(&self, key: &IdempotencyKey, created_after: i64)
    -> Result<KeyState, StoreError>;

    /// Stores the response for a key, and replaces an expired one.
    async fn store_response(
        &self,
        key: &IdempotencyKey,
        fingerprint: &Fingerprint,
        response: String,
        created_at: i64,
    ) -> Result<(), StoreError>;

    /// Begins a part that [`Transaction::roll_back_part`] can undo. A transaction has at most one part.
    async fn begin_part(&self) -> Result<(), StoreError>;

    /// Undoes the statements since [`Transaction::begin_part`].
    async fn roll_back_part(&self) -> Result<(), StoreError>;

    /// Commits the transaction. Later statements fail.
    async fn commit(&self) -> Result<(), StoreError>;

    /// Rolls the transaction back, and waits until its locks are released.
    async fn roll_back(&self) -> Result<(), StoreError>;
}

/// End of an API token, in seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEnd {
    Revoked(i64),
    Expires(i64),
}

/// State of an idempotency key.
#[derive(Debug)]
pub enum KeyState {
    /// The key has no stored response.
    Unused,
    /// Another instance is processing a request with the key.
    InUse,
    Stored(StoredResponse),
}

/// Response stored for an idempotency key, and the digest of its request.
#[derive(Debug)]
pub struct StoredResponse {
    pub fingerprint: Vec<u8>,
    pub response: String,
}

/// Handling of rows that other transactions have locked. On SQLite, no row is ever locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowWait {
    /// The write is not carried out, so that it delays no other write.
    Skip,
    /// The write waits for the row, up to the statement timeout.
    Wait,
}

/// Outcome of one of several changes.
#[derive(Debug)]
pub enum WriteOutcome {
    /// The product after the change, or the reason why it was not changed.
    Done(Result<Product, Error>),
    /// The change was not carried out, because another transaction has locked the row.
    Locked(ProductWrite),
}

/// Numbers of connections and waiting statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections in use.
    pub used: u64,
    /// Open connections that are not in use.
    pub idle: u64,
    /// Maximum number of connections.
    pub max: u64,
    /// Statements waiting for a connection.
    pub pending: u64,
}

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

/// Timeout of a health check; a slower database counts as unreachable.
const HEALTH_CHECK_TIMEOUT: Duration = Duration::from_secs(2);
