//! THE rules, once: what a product may be, how it is created, read, changed and paged.
//!
//! REST and GraphQL both come through here; nothing below may know which one called.

use std::{fmt, sync::Arc, time::Duration};

use batching::batcher::{Batcher, RunIn, Size, Turns};
use batching::coalescer::Coalescer;
use batching::create_batch::{OrAlone, TakenOfLate};
use page::PageKey;
use tokio::runtime::Handle;

use crate::database::{Database, Kind};

mod batching;
mod bulk;
mod changes;
mod create;
mod draft;
mod error;
mod filter;
mod get;
mod idempotency;
mod import;
mod insert;
mod new_product;
mod page;
mod precondition;
mod rows;
mod sort_order;
mod stock;
mod totals;
mod transaction;
mod update;

pub use changes::feed::Event;
pub use changes::log::{Change, ChangeKind, LogPosition};
pub use changes::subscription::ProductSelection;
pub use create::OnConflict;
pub use draft::{Draft, Value};
pub use entity::{Amount, DecimalText, Name, Price, ProductId, Version, product::Model as Product};
pub use error::{Error, ErrorCode, FieldError, Location};
pub use filter::Filter;
pub use get::parse_product_id;
pub use idempotency::{Fingerprint, Idempotency, IdempotencyKey, IdempotentResponse};
pub use new_product::{NewProduct, NewProducts, ProductChange};
pub use page::{Listing, Page, PageRequest, parse_cursor};
pub use precondition::Precondition;
pub use sort_order::{Cursor, SortOrder};
pub use stock::StockAdjustment;

/// Statements that read for many clients. SQLite has one connection for them; on PostgreSQL the next one is on its way while the
/// last one is answered.
fn reads(kind: Kind) -> Turns {
    match kind {
        Kind::Sqlite => Turns { usual: 1, most: 1 },
        Kind::PostgreSql => Turns { usual: 2, most: 4 },
    }
}

/// Most products that they read at a time. SQLite's are read on a thread of the runtime, which must not be held up long.
fn most_read(kind: Kind) -> usize {
    match kind {
        Kind::Sqlite => 64,
        Kind::PostgreSql => 512,
    }
}

/// Statements that write for many clients. SQLite has one writer; on PostgreSQL the next one runs while the last one waits
/// for the disk.
fn writes(kind: Kind) -> Turns {
    match kind {
        Kind::Sqlite => Turns { usual: 1, most: 1 },
        Kind::PostgreSql => Turns { usual: 2, most: 6 },
    }
}

/// The only door to the products. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    database: Database,
    rules: CatalogOptions,
    under_way: idempotency::ActiveKeys,
    feed: changes::feed::Feed,
    taken_of_late: TakenOfLate,
    /// None within a transaction, which is one client's alone.
    batches: Option<Batches>,
}

/// What is done for many clients at once.
struct Batches {
    reads: Batcher<ProductId, Result<Option<Product>, Error>>,
    pages: Coalescer<PageKey, Arc<Page>>,
    creates: Batcher<NewProduct, OrAlone<NewProduct, Product>>,
    arrays: Batcher<Vec<NewProduct>, OrAlone<Vec<NewProduct>, Vec<Product>>>,
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batches")
    }
}

/// What an operator decides about the catalog.
#[derive(Clone, Copy, Debug)]
pub struct CatalogOptions {
    /// Who changes or deletes a product has to tell which version of it is meant.
    pub require_version: bool,
    /// How long the answer to a request with an idempotency key is kept.
    pub idempotency_retention: Duration,
    /// Most subscriptions to changes at a time.
    pub subscriptions: usize,
}

impl Catalog {
    /// A catalog over this store, whose schema must be the newest, in the runtime of requests.
    pub fn new(database: Database, rules: CatalogOptions) -> Self {
        let batches = Batches {
            pages: Coalescer::default(),
            reads: Batcher::new(
                reads(database.kind()),
                Size { of: |_| 1, most: most_read(database.kind()) },
                RunIn::Requests(Handle::current()),
            ),
            creates: Batcher::new(
                writes(database.kind()),
                Size { of: |_| 1, most: 512 },
                RunIn::Requests(Handle::current()),
            ),
            arrays: Batcher::new(
                writes(database.kind()),
                Size { of: Vec::len, most: insert::MOST_TOGETHER },
                RunIn::Asker,
            ),
        };
        Self(Arc::new(Parts {
            database,
            rules,
            under_way: idempotency::ActiveKeys::default(),
            feed: changes::feed::Feed::default(),
            taken_of_late: TakenOfLate::default(),
            batches: Some(batches),
        }))
    }

    /// The same catalog over another view of the store, in which nothing is done for many clients at once.
    fn over(&self, database: Database) -> Self {
        let Parts { rules, under_way, feed, .. } = &*self.0;
        let (under_way, feed) = (under_way.clone(), feed.clone());
        let taken_of_late = TakenOfLate::default();
        Self(Arc::new(Parts { database, rules: *rules, under_way, feed, taken_of_late, batches: None }))
    }
}
