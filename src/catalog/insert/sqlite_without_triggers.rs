//! Inserts into SQLite without sqlx and without triggers (see `database/direct.rs`): some products to a statement, and one row
//! of the log of changes for up to a thousand of them.

use std::sync::{Arc, LazyLock};

use rusqlite::{Statement, Transaction, config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, params};
use sea_orm::DbErr;

use super::{Conflict, GENERATED_BELOW, Stored, chosen, count};
use crate::catalog::{Catalog, NewProduct, Version};

const INSERT: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?, ?, ?, ?, ?)";
const INSERT_OR_SKIP: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?, ?, ?, ?, ?) \
                              ON CONFLICT (id) DO NOTHING";

/// So many products to a statement, as long as there are so many and no triggers run: to begin and end a statement takes a fifth
/// of an insert's time.
const TOGETHER: usize = 16;

/// A failure ends the transaction, so "OR FAIL": else SQLite would copy every page first, to take back the statement alone.
/// Triggers would have their own conflicts resolved by it, too.
static INSERT_TOGETHER: LazyLock<String> = LazyLock::new(|| {
    INSERT.replacen("INSERT", "INSERT OR FAIL", 1) + &", (?, ?, ?, ?, ?)".repeat(TOGETHER - 1)
});

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
            let Some((ids, stored)) = insert(transaction, conflict, &new, version)? else {
                return Ok(None);
            };
            if !transaction.db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER)? {
                log(transaction, &ids, version)?;
            }
            Ok(Some(stored))
        };
        self.0.database.writes().sqlite_transaction(sql, insert).await
    }
}

/// Returns the ids of all that are stored, too.
fn insert(
    transaction: &Transaction<'_>,
    conflict: Conflict,
    new: &[NewProduct],
    version: Version,
) -> rusqlite::Result<Option<(Vec<i64>, Stored)>> {
    let (mut rows, highest) = chosen(new);
    let without_id = new.iter().filter(|new| new.id.is_none());
    let Some(generated) = generate(transaction, highest, count(without_id.clone()))? else {
        return Ok(None);
    };
    let mut chosen = None;
    if conflict == Conflict::Skip {
        let all = rows.len();
        rows = store_free(transaction, rows, version)?;
        chosen = (rows.len() < all).then(|| rows.iter().map(|(id, _)| *id).collect());
    } else {
        store(transaction, &rows, version)?;
    }
    let with_generated: Vec<_> = generated.iter().copied().zip(without_id).collect();
    store(transaction, &with_generated, version)?;
    let ids = rows.iter().map(|(id, _)| *id).chain(generated.iter().copied()).collect();
    Ok(Some((ids, Stored { generated, chosen })))
}

/// Stores all of them.
fn store(
    transaction: &Transaction<'_>,
    rows: &[(i64, &NewProduct)],
    version: Version,
) -> rusqlite::Result<()> {
    let has_triggers = transaction.db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER)?;
    let (together, others) = if has_triggers { (&[][..], rows) } else { rows.as_chunks::<TOGETHER>() };
    if !together.is_empty() {
        let mut statement = transaction.prepare_cached(&INSERT_TOGETHER)?;
        together.iter().try_for_each(|rows| store_by(&mut statement, rows, version))?;
    }
    if !others.is_empty() {
        let mut statement = transaction.prepare_cached(INSERT)?;
        others.chunks(1).try_for_each(|row| store_by(&mut statement, row, version))?;
    }
    Ok(())
}

/// Stores as many of them as the statement is for.
fn store_by(
    statement: &mut Statement<'_>,
    rows: &[(i64, &NewProduct)],
    version: Version,
) -> rusqlite::Result<()> {
    bind(statement, rows, version)?;
    match statement.raw_execute()? {
        stored if stored == rows.len() => Ok(()),
        // A trigger of somebody's has passed one over.
        stored => Err(rusqlite::Error::StatementChangedRows(stored)),
    }
}

/// Stores those whose ids are free, and returns them.
fn store_free<'a>(
    transaction: &Transaction<'_>,
    rows: Vec<(i64, &'a NewProduct)>,
    version: Version,
) -> rusqlite::Result<Vec<(i64, &'a NewProduct)>> {
    let mut statement = transaction.prepare_cached(INSERT_OR_SKIP)?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        bind(&mut statement, &[row], version)?;
        if statement.raw_execute()? > 0 {
            stored.push(row);
        }
    }
    Ok(stored)
}

fn bind(
    statement: &mut Statement<'_>,
    rows: &[(i64, &NewProduct)],
    version: Version,
) -> rusqlite::Result<()> {
    for (place, (id, NewProduct { name, price, amount, .. })) in rows.iter().enumerate() {
        let first = 5 * place + 1;
        statement.raw_bind_parameter(first, id)?;
        statement.raw_bind_parameter(first + 1, name.as_str())?;
        statement.raw_bind_parameter(first + 2, price.ten_thousandths())?;
        statement.raw_bind_parameter(first + 3, amount.get())?;
        statement.raw_bind_parameter(first + 4, version.get())?;
    }
    Ok(())
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
        statement.execute(params![count(ids.iter()), version.get(), json(ids)])?;
    }
    Ok(())
}

/// An array. `Debug`, which writes one too, took a hundredth of all that is done for an array of products.
fn json(ids: &[i64]) -> String {
    let mut json = String::with_capacity(17 * ids.len() + 2);
    json.push('[');
    for (place, id) in ids.iter().enumerate() {
        json.push_str(if place > 0 { "," } else { "" });
        json.push_str(itoa::Buffer::new().format(*id));
    }
    json.push(']');
    json
}
