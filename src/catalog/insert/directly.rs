//! Inserts into SQLite without sqlx and without triggers (see `database/direct.rs`): product by product, and one row of the
//! log of changes for up to a thousand of them.

use std::sync::Arc;

use rusqlite::{Transaction, config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, params};
use sea_orm::DbErr;

use super::{Conflict, GENERATED_BELOW, Stored, chosen, count};
use crate::catalog::{Catalog, NewProduct, Version};

const INSERT: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_OR_SKIP: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?1, ?2, ?3, ?4, ?5) \
                              ON CONFLICT (id) DO NOTHING";

/// The highest id below 2^52 that is or was used.
const LAST_ID: &str = "SELECT max(last, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)) FROM product_id";

/// `?1` is how many were created, `?2` their version, `?3` a JSON array of their ids. Each change has a number of its own, as
/// AUTOINCREMENT counts them; the row's is that of the last one.
const LOG: &str = "
INSERT INTO product_change (seq, first_seq, kind, version, product_ids)
SELECT last + ?1, last + 1, 1, ?2, ?3 FROM (
    SELECT max(
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'product_change'), 0),
        coalesce((SELECT max(seq) FROM product_change), 0)
    ) AS last
)";

/// Most changes in a row of the log: who reads one of them takes all apart.
const LOGGED_TOGETHER: usize = 1000;

impl Catalog {
    /// As [`Catalog::try_store`], where [`Connection::directly`] can; `None` where it can't, and where products are replaced.
    ///
    /// [`Connection::directly`]: crate::database::Connection::directly
    pub(super) async fn try_store_directly(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
        conflict: Conflict,
    ) -> Option<Result<Option<Stored>, DbErr>> {
        let sql = match conflict {
            Conflict::Fail => INSERT,
            Conflict::Skip => INSERT_OR_SKIP,
            Conflict::Replace => return None,
        };
        let new = new.clone();
        let insert = move |transaction: &Transaction<'_>| {
            let Some((ids, stored)) = insert(transaction, sql, conflict, &new, version)? else {
                return Ok(None);
            };
            if !transaction.db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER)? {
                log(transaction, &ids, version)?;
            }
            Ok(Some(stored))
        };
        self.0.database.writes().directly(sql, insert).await
    }
}

/// Returns the ids of all that are stored, too.
fn insert(
    transaction: &Transaction<'_>,
    sql: &str,
    conflict: Conflict,
    new: &[NewProduct],
    version: Version,
) -> rusqlite::Result<Option<(Vec<i64>, Stored)>> {
    let (chosen, highest) = chosen(new);
    let without_id = new.iter().filter(|new| new.id.is_none());
    let Some(generated) = generate(transaction, highest, count(without_id.clone()))? else {
        return Ok(None);
    };
    let mut statement = transaction.prepare_cached(sql)?;
    let mut store = |id: i64, new: &NewProduct, conflict| {
        let NewProduct { name, price, amount, .. } = new;
        let values = params![id, name.as_str(), price.ten_thousandths(), amount.get(), version.get()];
        match statement.execute(values)? {
            // A trigger of somebody's has passed it over.
            0 if conflict == Conflict::Fail => Err(rusqlite::Error::StatementChangedRows(0)),
            stored => Ok(stored > 0),
        }
    };
    let mut ids = Vec::with_capacity(new.len());
    for (id, new) in &chosen {
        if store(*id, new, conflict)? {
            ids.push(*id);
        }
    }
    let is_all = ids.len() == chosen.len();
    let chosen = (!is_all).then(|| ids.iter().copied().collect());
    for (id, new) in generated.iter().zip(without_id) {
        store(*id, new, Conflict::Fail)?;
    }
    ids.extend(&generated);
    Ok(Some((ids, Stored { generated, chosen })))
}

/// So many ids behind all that were ever used, the `highest` that was chosen among them; `None` where so many are not left.
fn generate(transaction: &Transaction<'_>, highest: i64, missing: i64) -> rusqlite::Result<Option<Vec<i64>>> {
    if missing == 0 {
        return Ok(Some(Vec::new()));
    }
    let last: i64 = transaction.prepare_cached(LAST_ID)?.query_row([], |row| row.get(0))?;
    let last = last.max(highest);
    Ok((last + missing < GENERATED_BELOW).then(|| (last + 1..=last + missing).collect()))
}

fn log(transaction: &Transaction<'_>, ids: &[i64], version: Version) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(LOG)?;
    for ids in ids.chunks(LOGGED_TOGETHER) {
        statement.execute(params![count(ids.iter()), version.get(), format!("{ids:?}")])?;
    }
    Ok(())
}
