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

impl LogPosition {
    /// A position that is in no change log. A subscriber that resumes from it gets a resync event first.
    pub const UNKNOWN: Self = Self { transaction_id: -1, sequence: -1 };
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
    pub position: LogPosition,
    pub kind: ChangeKind,
    pub id: ProductId,
    /// Version of the product after the change; for a deletion, its last version.
    pub version: Version,
    /// Time of the change, to the second.
    pub at: Rfc3339Timestamp,
    /// State of the product at the time of reading, possibly after later changes. `None` if the product no
    /// longer existed.
    pub product: Option<Arc<Product>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Created,
    /// A change of the fields, except of the amount alone.
    Updated,
    /// A change of the amount alone.
    StockAdjusted,
    Deleted,
}

/// An event of the change feed.
#[derive(Clone, Debug)]
pub enum Event {
    Change(Change),
    /// Gap in the changes. The subscriber must read the products again; changes after this position follow.
    Resync(LogPosition),
}

impl Event {
    /// Returns the log position from which a subscriber that received this event can resume.
    pub fn position(&self) -> LogPosition {
        match self {
            Self::Change(change) => change.position,
            Self::Resync(position) => *position,
        }
    }
}
