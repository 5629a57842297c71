//! Result of reading the change log.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use crate::domain::{Change, ChangeKind, LogPosition, Product, ProductId, Version};

/// Result of reading the log after a position.
#[derive(Debug)]
pub enum LogRead {
    /// The next changes.
    Changes {
        changes: Vec<Change>,
        /// Position of the last change that was read, or the given position if there was no change.
        last: LogPosition,
        /// Whether the log had no further changes when it was read.
        is_complete: bool,
    },
    /// The position is no longer in the log, so changes may be missing.
    Expired,
}

/// Maximum number of changes in a row of the log. The sequence number of a change is 1024 times the number of
/// its row, plus its index in the row.
pub(super) const CHANGES_PER_ROW: usize = 1000;
pub(super) const ROW_SHIFT: u32 = 10;

/// One entry of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogEntry {
    pub position: LogPosition,
    /// Kind as stored: 0 is a sentinel, which only marks a position.
    pub kind: i16,
    pub id: Option<ProductId>,
    pub version: Option<Version>,
    /// Unix time in seconds.
    pub at: i64,
}

impl LogEntry {
    /// Returns the change, or `None` for a sentinel.
    fn change(&self) -> Option<Change> {
        let kind = kind_from_column(self.kind)?;
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.at).unwrap_or_default());
        Some(Change {
            position: self.position,
            kind,
            id: self.id?,
            version: self.version?,
            at: humantime::format_rfc3339_seconds(at),
            product: None,
        })
    }
}

/// Returns the kind as stored in the log (see the migration).
pub(super) fn kind_column(kind: ChangeKind) -> i16 {
    match kind {
        ChangeKind::Created => 1,
        ChangeKind::Updated => 2,
        ChangeKind::StockAdjusted => 3,
        ChangeKind::Deleted => 4,
    }
}

fn kind_from_column(kind: i16) -> Option<ChangeKind> {
    use ChangeKind::{Created, Deleted, StockAdjusted, Updated};
    [Created, Updated, StockAdjusted, Deleted].into_iter().find(|known| kind_column(*known) == kind)
}

impl LogRead {
    /// Returns what was read, without the products. `entries` must begin with the entry at `position`, unless
    /// that entry is no longer in the log. At most `limit` entries follow it.
    pub(super) fn new(entries: &[LogEntry], position: LogPosition, limit: u32) -> Self {
        let Some((first, next)) = entries.split_first().filter(|(first, _)| first.position == position)
        else {
            return Self::Expired;
        };
        Self::Changes {
            changes: next.iter().filter_map(LogEntry::change).collect(),
            last: next.last().unwrap_or(first).position,
            is_complete: next.len() < usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    /// Returns the ids of the products that subscribers receive with these changes.
    pub(super) fn product_ids(&self) -> Vec<ProductId> {
        let Self::Changes { changes, .. } = self else {
            return Vec::new();
        };
        let remaining = changes.iter().filter(|change| change.kind != ChangeKind::Deleted);
        let mut ids: Vec<ProductId> = remaining.map(|change| change.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Adds the products to the changes, except to deletions.
    pub(super) fn add_products(&mut self, products: Vec<Product>) {
        let Self::Changes { changes, .. } = self else {
            return;
        };
        let products: HashMap<ProductId, Arc<Product>> =
            products.into_iter().map(|product| (product.id, Arc::new(product))).collect();
        for change in changes.iter_mut().filter(|change| change.kind != ChangeKind::Deleted) {
            change.product = products.get(&change.id).cloned();
        }
    }
}
