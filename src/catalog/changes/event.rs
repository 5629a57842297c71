//! Events that subscribers receive.

use super::log::{Change, LogPosition};

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
