//! Inserts new products: any number at once, all or none.

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

/// What to do with a row whose id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowConflict {
    /// Fail the whole statement.
    Fail,
    /// Keep the existing row and insert the others.
    Skip,
    /// Replace the existing row.
    Replace,
}

impl RowConflict {
    /// Returns the SQL clause. A row that already has the new version was stored earlier in the same import,
    /// and is not replaced.
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
    /// The products were inserted, except for those that conflicts skipped.
    Inserted(Inserted),
    /// Nothing was inserted, because too few ids are left to generate.
    IdsExhausted,
}

/// Ids of the inserted products.
#[derive(Debug, Default)]
pub(super) struct Inserted {
    /// Generated ids, in any order.
    pub generated_ids: Vec<i64>,
    /// Client ids that were stored.
    pub stored_client_ids: StoredIds,
}

/// Client ids that an insert stored.
#[derive(Debug, Default)]
pub(super) enum StoredIds {
    /// All ids that were sent.
    #[default]
    All,
    /// These ids; the others were taken.
    Some(HashSet<i64>),
}

impl StoredIds {
    /// Creates the result of an insert that was sent this many client ids.
    fn new(stored: impl ExactSizeIterator<Item = i64>, sent: usize) -> Self {
        if stored.len() < sent { Self::Some(stored.collect()) } else { Self::All }
    }

    /// Returns whether a product with an id that was sent is stored.
    pub fn contains(&self, id: ProductId) -> bool {
        match self {
            Self::All => true,
            Self::Some(ids) => ids.contains(&id.get()),
        }
    }
}

/// How long an insert waits for locks of other transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockWait {
    /// As long as the database is configured to wait.
    Default,
    /// Briefly, because several clients wait for the insert.
    Short,
}

/// Maximum number of products from several arrays in one insert.
pub(super) const MAX_BATCHED_ROWS: usize = 4096;

impl Products {
    /// Inserts all of the products or none, even if the caller is dropped.
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

    /// Runs a statement and returns the ids in its rows. Reads all rows, since SQLite commits with the last
    /// step.
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

/// Returns the products with client ids, sorted by id, and the highest of these ids below
/// [`GENERATED_ID_LIMIT`], or 0.
fn client_rows(new: &[NewProduct]) -> (Vec<(i64, &NewProduct)>, i64) {
    let mut rows: Vec<_> = new.iter().filter_map(|new| Some((new.id?.get(), new))).collect();
    rows.sort_unstable_by_key(|(id, _)| *id);
    let highest = rows.iter().rev().map(|(id, _)| *id).find(|id| *id < GENERATED_ID_LIMIT);
    (rows, highest.unwrap_or(0))
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
