//! Inserts of any number of new products, and their outcome.

use std::{collections::HashSet, sync::Arc};

use crate::domain::{NewProduct, ProductId, Version};

/// Exclusive upper limit of generated ids. Clients may use any id.
pub const GENERATED_ID_LIMIT: i64 = 1 << 52;

/// An insert of products.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The products. No two have the same id.
    pub products: Arc<Vec<NewProduct>>,
    /// Version of all rows that are stored.
    pub version: Version,
    pub on_conflict: RowConflict,
    pub wait: LockWait,
}

/// Effect of a row whose id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowConflict {
    /// The whole insert fails with [`StoreError::IdTaken`](super::StoreError::IdTaken).
    Fail,
    /// The existing row is kept, and the other rows are inserted.
    Skip,
    /// The existing row is replaced, unless it has the new version, because the same import has stored it.
    Replace,
}

/// Time that an insert waits for locks of other transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// The configured statement timeout.
    Default,
    /// A short time, because several clients wait for the insert. Has no effect on SQLite.
    Short,
}

/// Ids of the inserted products.
#[derive(Debug, Default)]
pub struct Inserted {
    /// Generated ids, in any order.
    pub generated_ids: Vec<i64>,
    pub stored_client_ids: StoredIds,
}

/// Client ids that an insert stored.
#[derive(Debug, Default)]
pub enum StoredIds {
    /// All client ids of the insert.
    #[default]
    All,
    /// Only these ids; the others were taken.
    Some(HashSet<i64>),
}

impl StoredIds {
    /// Returns [`StoredIds::All`] if all of the `sent` client ids were stored, or the stored ones.
    pub(super) fn new(stored: impl ExactSizeIterator<Item = i64>, sent: usize) -> Self {
        if stored.len() < sent { Self::Some(stored.collect()) } else { Self::All }
    }

    /// Returns whether the insert stored this client id. The id must belong to the insert.
    pub fn contains(&self, id: ProductId) -> bool {
        match self {
            Self::All => true,
            Self::Some(ids) => ids.contains(&id.get()),
        }
    }
}

/// Returns the products with client ids, sorted by id.
pub(super) fn client_rows(products: &[NewProduct]) -> Vec<(i64, &NewProduct)> {
    let mut rows: Vec<_> = products.iter().filter_map(|new| Some((new.id?.get(), new))).collect();
    rows.sort_unstable_by_key(|(id, _)| *id);
    rows
}

pub(super) fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
