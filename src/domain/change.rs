//! Changes of products, as subscribers receive them.

use std::{fmt, str::FromStr, sync::Arc};

use entity::{ProductId, Version};
use humantime::Rfc3339Timestamp;

use super::{Error, Product};

/// Position in the change log, opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// Id of the transaction; 0 on SQLite.
    pub(crate) transaction_id: i64,
    /// Sequence number, which orders the changes of a transaction.
    pub(crate) sequence: i64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.transaction_id, self.sequence)
    }
}

impl FromStr for LogPosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let part = |text| i64::from_str_radix(text, 16).ok();
        let position = text.split_once('-').and_then(|(transaction_id, sequence)| {
            Some(Self { transaction_id: part(transaction_id)?, sequence: part(sequence)? })
        });
        position.ok_or_else(|| Error::invalid("after", "is not a valid change cursor"))
    }
}

/// One change of a product.
#[derive(Clone, Debug)]
pub struct Change {
    /// Position in the change log.
    pub position: LogPosition,
    /// Kind of change.
    pub kind: ChangeKind,
    /// Id of the product.
    pub id: ProductId,
    /// Version of the product after the change; for a deletion, its last version.
    pub version: Version,
    /// Time of the change, to the second.
    pub at: Rfc3339Timestamp,
    /// The product when the change was read, which may include later changes; `None` if it was deleted.
    pub product: Option<Arc<Product>>,
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new product.
    Created,
    /// A new name or price, possibly with a new amount.
    Updated,
    /// A new amount only.
    StockAdjusted,
    /// A deleted product.
    Deleted,
}

/// An event of the change feed.
#[derive(Clone, Debug)]
pub enum Event {
    /// Change of a product.
    Change(Change),
    /// Gap in the changes: the subscriber must read the products again. Changes after this position follow.
    Resync(LogPosition),
}

impl Event {
    /// Returns the position to resume from after this event.
    pub fn position(&self) -> LogPosition {
        match self {
            Self::Change(change) => change.position,
            Self::Resync(position) => *position,
        }
    }
}
