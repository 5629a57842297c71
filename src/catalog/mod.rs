//! The catalog of products: creation, reads, changes, paging and change notifications.
//!
//! REST and GraphQL call this module, which does not depend on them. It asks a [`Store`] for rows, and does
//! not depend on the kind of database.

use std::{fmt, sync::Arc, time::Duration};

use batching::{
    batcher::Batcher,
    coalescer::Coalescer,
    create_batch::{BatchOutcome, RecentConflicts},
    options::{BatchLimit, Grouping, SpawnOn, Workers},
};
use page::PageKey;
use tokio::runtime::Handle;

use crate::{
    domain::{Error, Filter, NewProduct, OnConflict, Page, Product, ProductId, ProductWrite, ReadFrom},
    store::{Kind, Store, WriteOutcome},
};

mod assemble;
mod batching;
mod change_many;
mod changes;
mod create;
mod get;
mod idempotency;
mod import;
mod insert;
mod page;
mod read_from;
mod transaction;
mod update;
mod writer;

pub use transaction::Transaction;
pub use writer::Writer;

/// Returns the number of concurrent read batches. SQLite has one connection for them. On PostgreSQL, one
/// statement can be sent while the results of another are processed.
fn read_workers(kind: Kind) -> Workers {
    match kind {
        Kind::Sqlite => Workers { target: 1, max: 1 },
        Kind::PostgreSql => Workers { target: 2, max: 4 },
    }
}

/// Returns the maximum number of products in a read batch. On SQLite, reading blocks a runtime thread, so the
/// batches must be short.
fn max_read_batch(kind: Kind) -> usize {
    match kind {
        Kind::Sqlite => 64,
        Kind::PostgreSql => 512,
    }
}

/// Returns the number of concurrent write batches. SQLite allows one writer. On PostgreSQL, one statement
/// can run while another waits for the disk.
fn write_workers(kind: Kind) -> Workers {
    match kind {
        Kind::Sqlite => Workers { target: 1, max: 1 },
        Kind::PostgreSql => Workers { target: 2, max: 6 },
    }
}

/// Returns the timeout of a batch of single products. On PostgreSQL, a batch that takes longer hangs on a lost
/// connection. On SQLite, it may wait for an import.
fn batch_timeout(kind: Kind) -> Duration {
    match kind {
        Kind::Sqlite => LONG_BATCH_TIMEOUT,
        Kind::PostgreSql => Duration::from_secs(8),
    }
}

/// Timeout of a batch that may take long. By default, no client waits longer.
const LONG_BATCH_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns the number of batches that may wait for rows that other programs have locked. Each occupies a
/// connection, so others must remain for writes.
fn locked_workers(connections: u64) -> Workers {
    let max = usize::try_from(connections / 3).unwrap_or(usize::MAX);
    Workers { target: 1, max: max.clamp(1, 4) }
}

/// Maximum number of requests in a write batch.
const MAX_WRITE_BATCH: usize = 512;
/// Maximum number of products from several arrays in one insert.
const MAX_ARRAY_BATCH_ROWS: usize = 4096;

/// The catalog of products, through which every read and change passes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// One pointer, because each request clones the catalog.
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    options: CatalogOptions,
    feed: changes::feed::Feed,
    recent_conflicts: RecentConflicts,
    recent_writes: read_from::RecentWrites,
    batches: Batches,
    active_keys: idempotency::ActiveKeys,
}

/// Queues of the operations that share statements.
struct Batches {
    /// Point reads of the primary, of the primary or the replica, and of the replica. Each server has a queue of its own,
    /// so that no read waits for a server that it does not ask.
    reads: [Batcher<ProductId, Result<Option<Product>, Error>>; 3],
    pages: Coalescer<PageKey, Arc<Page>>,
    creates: Batcher<NewProduct, BatchOutcome<NewProduct, Product>>,
    upserts: Batcher<NewProduct, BatchOutcome<NewProduct, Product>>,
    array_creates: Batcher<Vec<NewProduct>, BatchOutcome<Vec<NewProduct>, Vec<Product>>>,
    /// Changes of single products.
    writes: Batcher<ProductWrite, Result<WriteOutcome, Error>>,
    /// Changes of products whose rows other programs have locked.
    locked_writes: Batcher<ProductWrite, Result<WriteOutcome, Error>>,
}

impl Batches {
    fn new(kind: Kind, connections: u64) -> Self {
        let requests = || SpawnOn::Runtime(Handle::current());
        let timeout = batch_timeout(kind);
        let limit = || BatchLimit::requests(MAX_WRITE_BATCH, timeout);
        let workers = write_workers(kind);
        let product_id = |write: &ProductWrite| write.id;
        Self {
            pages: Coalescer::default(),
            reads: [ReadFrom::Primary, ReadFrom::PrimaryOrReplica, ReadFrom::Replica].map(|_| {
                let limit = BatchLimit::requests(max_read_batch(kind), timeout);
                Batcher::new(read_workers(kind), limit, Grouping::Any, requests())
            }),
            creates: Batcher::new(workers, limit(), Grouping::Any, requests()),
            upserts: Batcher::new(workers, limit(), Grouping::Any, requests()),
            array_creates: Batcher::new(
                workers,
                BatchLimit { weight: Vec::len, max: MAX_ARRAY_BATCH_ROWS, timeout: LONG_BATCH_TIMEOUT },
                Grouping::Any,
                SpawnOn::Current,
            ),
            writes: Batcher::new(
                workers,
                BatchLimit::requests(MAX_WRITE_BATCH, timeout),
                Grouping::Exclusive(product_id),
                requests(),
            ),
            locked_writes: Batcher::new(
                locked_workers(connections),
                BatchLimit::requests(MAX_WRITE_BATCH, LONG_BATCH_TIMEOUT),
                Grouping::PerKey(product_id),
                requests(),
            ),
        }
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batches")
    }
}

/// Settings of the catalog.
#[derive(Clone, Copy, Debug)]
pub struct CatalogOptions {
    /// Whether every change and deletion must name the version that it applies to.
    pub require_version: bool,
    /// Time for which the response to a request with an idempotency key is kept.
    pub idempotency_retention: Duration,
    /// Maximum number of concurrent subscriptions to changes.
    pub max_subscriptions: usize,
}

impl Catalog {
    /// Creates a catalog for a database with the newest schema. Must be called on the request runtime, on
    /// which the short batches run.
    pub fn new(store: Arc<dyn Store>, options: CatalogOptions) -> Self {
        let batches = Batches::new(store.kind(), store.pool_status().max);
        Self {
            inner: Arc::new(Inner {
                store,
                options,
                feed: changes::feed::Feed::default(),
                recent_conflicts: RecentConflicts::default(),
                recent_writes: read_from::RecentWrites::default(),
                batches,
                active_keys: idempotency::ActiveKeys::default(),
            }),
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    /// Returns the number of products that match the filter.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn count(&self, filter: &Filter) -> Result<u64, Error> {
        let from = self.read_from().await;
        Ok(self.store().count(filter, from).await?)
    }

    /// Returns the number of products and the sum of their amounts. Reads the whole table.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn totals(&self) -> Result<(u64, u64), Error> {
        Ok(self.store().totals().await?)
    }

    /// Returns an error for replacements if versions are required, because an upsert cannot name a version.
    fn check_replace_allowed(&self, on_conflict: OnConflict) -> Result<(), Error> {
        if on_conflict == OnConflict::Replace && self.inner.options.require_version {
            Err(Error::VersionRequired)
        } else {
            Ok(())
        }
    }
}
