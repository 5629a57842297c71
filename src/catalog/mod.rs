//! THE rules, once: what a product may be, how it is created, read, changed and paged.
//!
//! REST and GraphQL both come through here; nothing below may know which one called.

use std::{fmt, sync::Arc, time::Duration};

use batch::{Batcher, RunIn, Size, Turns};
use coalesce::Coalescer;
use create_together::{OrAlone, TakenOfLate};
use page::PageQuestion;
use tokio::runtime::Handle;

use crate::database::{Database, Kind};

mod atomic;
mod batch;
mod bulk;
mod changes;
mod channel;
mod coalesce;
mod create;
mod create_together;
mod draft;
mod error;
mod feed;
mod filter;
mod idempotency;
mod import;
mod insert;
mod order;
mod page;
mod product;
mod reads;
mod rows;
mod shared;
mod stock;
mod subscriber;
mod totals;
mod version;
mod writes;

pub use changes::{Change, ChangeKind, Place};
pub use create::Taken;
pub use draft::{Draft, Value};
pub use entity::{Amount, Name, Number, Price, ProductId, Version, product::Model as Product};
pub use error::{At, Code, Error, Fault};
pub use feed::Event;
pub use filter::Filter;
pub use idempotency::{Fingerprint, Idempotency, IdempotencyKey, Once};
pub use order::{Cursor, Order};
pub use page::{Listing, Page, PageRequest, cursor};
pub use product::{NewProduct, NewProducts, ProductChange};
pub use reads::existing_id;
pub use stock::Delta;
pub use subscriber::Followed;
pub use version::Expected;

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
    rules: Rules,
    under_way: idempotency::UnderWay,
    feed: feed::Feed,
    taken_of_late: TakenOfLate,
    /// None within a transaction, which is one client's alone.
    batches: Option<Batches>,
}

/// What is done for many clients at once.
struct Batches {
    reads: Batcher<ProductId, Result<Option<Product>, Error>>,
    pages: Coalescer<PageQuestion, Arc<Page>>,
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
pub struct Rules {
    /// Who changes or deletes a product has to tell which version of it is meant.
    pub require_version: bool,
    /// How long the answer to a request with an idempotency key is kept.
    pub idempotency_retention: Duration,
    /// Most subscriptions to changes at a time.
    pub subscriptions: usize,
}

impl Catalog {
    /// A catalog over this store, whose schema must be the newest, in the runtime of requests.
    pub fn new(database: Database, rules: Rules) -> Self {
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
            under_way: idempotency::UnderWay::default(),
            feed: feed::Feed::default(),
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
