//! Stores new products: any number at once, all or none.

use std::{collections::HashSet, sync::Arc};

use sea_orm::{ConnectionTrait, DbErr, Statement, Value as SqlValue};

use super::{Catalog, NewProduct, Version};
use crate::database::Kind;

mod postgres;
mod sqlite;
mod sqlite_without_triggers;

/// Generated ids are below this, and follow every id below it that was ever used (see the migration).
const GENERATED_BELOW: i64 = 1 << 52;

/// What becomes of a product whose id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    Fail,
    Skip,
    Replace,
}

impl Conflict {
    /// The same in SQL. A product that has the version already was stored by the same call before: nothing replaces that
    /// one.
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

/// What was stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// The ids that were generated, in any order.
    pub generated: Vec<i64>,
    /// The chosen ids that are stored; `None` where all of them are.
    pub chosen: Option<HashSet<i64>>,
}

/// Who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    One,
    /// They are not kept waiting long by another transaction.
    Many,
}

/// Most products of several arrays that are stored together; and most that a statement of SQLite gets as so many parameters,
/// which takes it half as long as a JSON array of them.
pub(super) const MOST_TOGETHER: usize = 4096;

impl Catalog {
    /// Stores all or none of them, whatever becomes of who waits for it; `None` where no more ids can be generated.
    pub(super) async fn try_store(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
        conflict: Conflict,
        who: For,
    ) -> Result<Option<Stored>, DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => self.try_store_postgresql(new, version, conflict, who).await,
            Kind::Sqlite => match self.try_store_directly(new, version, conflict).await {
                Some(done) => done,
                None => self.try_store_sqlite(new, version, conflict).await,
            },
        }
    }

    /// The ids that a statement returns. All rows are read to the end, since SQLite commits with the last step.
    async fn returned_ids(
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

/// Those with chosen ids, by their ids, and the highest of these below 2^52; 0 where there is none.
fn chosen(new: &[NewProduct]) -> (Vec<(i64, &NewProduct)>, i64) {
    let mut chosen: Vec<_> = new.iter().filter_map(|new| Some((new.id?.get(), new))).collect();
    chosen.sort_unstable_by_key(|(id, _)| *id);
    let highest = chosen.iter().rev().map(|(id, _)| *id).find(|id| *id < GENERATED_BELOW);
    (chosen, highest.unwrap_or(0))
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
