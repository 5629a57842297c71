//! Inserts any number of new products atomically.

use std::{collections::HashSet, sync::Arc};

use sea_orm::{ConnectionTrait, DbErr, Statement, Value as SqlValue};

use super::Products;
use crate::{
    database::Kind,
    domain::{NewProduct, ProductId, Version},
};

pub(super) mod assemble;
mod postgres;
mod sqlite;
mod sqlite_in_transaction;

/// Limit below which ids are generated. Each new id is higher than all ids below the limit that were ever
/// used (see the migration).
const GENERATED_ID_LIMIT: i64 = 1 << 52;

/// Effect of a row whose id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowConflict {
    /// The whole insert fails.
    Fail,
    /// The existing row is kept, and the other rows are inserted.
    Skip,
    /// The existing row is replaced.
    Replace,
}

impl RowConflict {
    /// Returns the SQL clause. A row that already has the new version is not replaced, because the same
    /// import has stored it.
    fn clause(self) -> &'static str {
        match self {
            Self::Fail => "",
            Self::Skip => "ON CONFLICT (id) DO NOTHING",
            Self::Replace => {
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price, \
                 amount = excluded.amount, version = excluded.version \
                 WHERE product.version <> excluded.version"
            }
        }
    }
}

/// Result of an insert.
#[derive(Debug)]
pub(super) enum InsertOutcome {
    /// The products were inserted, except for those skipped because of a conflict.
    Inserted(Inserted),
    /// No product was inserted, because too few ids can still be generated.
    IdsExhausted,
}

/// Ids of the inserted products.
#[derive(Debug, Default)]
pub(super) struct Inserted {
    /// Generated ids, in any order.
    pub generated_ids: Vec<i64>,
    pub stored_client_ids: StoredIds,
}

/// Client ids that an insert stored.
#[derive(Debug, Default)]
pub(super) enum StoredIds {
    /// All client ids of the insert.
    #[default]
    All,
    /// Only these ids; the others were taken.
    Some(HashSet<i64>),
}

impl StoredIds {
    /// Returns [`StoredIds::All`] if all of the `sent` client ids were stored, or the stored ones.
    fn new(stored: impl ExactSizeIterator<Item = i64>, sent: usize) -> Self {
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

/// Time that an insert waits for locks of other transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockWait {
    /// The configured lock timeout of the database.
    Default,
    /// A short time, because several clients wait for the insert. Has no effect on SQLite.
    Short,
}

/// Maximum number of products from several arrays in one insert.
pub(super) const MAX_BATCHED_ROWS: usize = 4096;

impl Products {
    /// Inserts the products. The insert is atomic, even if the caller is dropped.
    pub(super) async fn insert(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
        row_conflict: RowConflict,
        lock_wait: LockWait,
    ) -> Result<InsertOutcome, DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => self.insert_postgresql(new, version, row_conflict, lock_wait).await,
            Kind::Sqlite => match self.insert_without_triggers(new, version, row_conflict).await {
                Some(result) => result,
                None => self.insert_sqlite(new, version, row_conflict).await,
            },
        }
    }

    /// Runs a statement and returns the ids in its first column, without nulls. Reads all rows, because
    /// SQLite commits only after the last one.
    async fn query_ids(
        &self,
        sql: String,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<Vec<i64>, DbErr> {
        let database = self.0.database.writes();
        let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
        let rows = database.query_all_raw(statement).await?;
        rows.iter().filter_map(|row| row.try_get_by_index::<Option<i64>>(0).transpose()).collect()
    }
}

/// Returns the products with client ids, sorted by id. Also returns the highest of these ids below
/// [`GENERATED_ID_LIMIT`], or 0 if no id is below the limit.
fn client_rows(new: &[NewProduct]) -> (Vec<(i64, &NewProduct)>, i64) {
    let mut rows: Vec<_> = new.iter().filter_map(|new| Some((new.id?.get(), new))).collect();
    rows.sort_unstable_by_key(|(id, _)| *id);
    let highest = rows.iter().rev().map(|(id, _)| *id).find(|id| *id < GENERATED_ID_LIMIT);
    (rows, highest.unwrap_or(0))
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
