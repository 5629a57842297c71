//! The catalog of products: creation, reads, changes, paging and change notifications.
//!
//! REST and GraphQL call this module, which does not depend on them.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use batching::batcher::{BatchLimit, Batcher, SpawnOn, Workers};
use batching::coalescer::Coalescer;
use batching::create_batch::{BatchOutcome, RecentConflicts};
use page::PageKey;
use tokio::runtime::Handle;

use crate::{
    database::{Database, Kind},
    domain::{Error, NewProduct, Page, Product, ProductId},
};

mod batching;
mod bulk;
mod changes;
mod create;
mod database_error;
mod get;
mod idempotency;
mod import;
mod insert;
mod page;
mod precondition;
mod rows;
mod sql;
mod stock;
mod totals;
mod transaction;
mod update;
mod writer;

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

/// Returns the number of concurrent create batches. SQLite allows one writer. On PostgreSQL, one statement
/// can run while another waits for the disk.
fn write_workers(kind: Kind) -> Workers {
    match kind {
        Kind::Sqlite => Workers { target: 1, max: 1 },
        Kind::PostgreSql => Workers { target: 2, max: 6 },
    }
}

/// The catalog of products, through which every read and change passes. Cheap to clone.
///
/// Reads of one product, pages and creates share statements. All other operations are those of [`Products`].
#[derive(Clone, Debug)]
pub struct Catalog {
    /// One pointer, because each request clones the catalog.
    inner: Arc<Batching>,
}

#[derive(Debug)]
struct Batching {
    products: Products,
    batches: Batches,
    active_keys: idempotency::ActiveKeys,
}

impl Deref for Catalog {
    type Target = Products;

    fn deref(&self) -> &Products {
        &self.inner.products
    }
}

/// Operations on products without batching, on the connection pool or within a transaction of one request.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Products(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    options: CatalogOptions,
    feed: changes::feed::Feed,
    recent_conflicts: RecentConflicts,
}

/// Queues of the operations that share statements.
struct Batches {
    reads: Batcher<ProductId, Result<Option<Product>, Error>>,
    pages: Coalescer<PageKey, Arc<Page>>,
    creates: Batcher<NewProduct, BatchOutcome<NewProduct, Product>>,
    array_creates: Batcher<Vec<NewProduct>, BatchOutcome<Vec<NewProduct>, Vec<Product>>>,
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
    pub fn new(database: Database, options: CatalogOptions) -> Self {
        let batches = Batches {
            pages: Coalescer::default(),
            reads: Batcher::new(
                read_workers(database.kind()),
                BatchLimit { weight: |_| 1, max: max_read_batch(database.kind()) },
                SpawnOn::Runtime(Handle::current()),
            ),
            creates: Batcher::new(
                write_workers(database.kind()),
                BatchLimit { weight: |_| 1, max: 512 },
                SpawnOn::Runtime(Handle::current()),
            ),
            array_creates: Batcher::new(
                write_workers(database.kind()),
                BatchLimit { weight: Vec::len, max: insert::MAX_BATCHED_ROWS },
                SpawnOn::Current,
            ),
        };
        let products = Products::new(database, options, changes::feed::Feed::default());
        let active_keys = idempotency::ActiveKeys::default();
        Self { inner: Arc::new(Batching { products, batches, active_keys }) }
    }
}

impl Products {
    fn new(database: Database, options: CatalogOptions, feed: changes::feed::Feed) -> Self {
        let recent_conflicts = RecentConflicts::default();
        Self(Arc::new(Inner { database, options, feed, recent_conflicts }))
    }

    /// Returns the same operations within a transaction.
    fn for_transaction(&self, database: Database) -> Self {
        Self::new(database, self.0.options, self.0.feed.clone())
    }
}
