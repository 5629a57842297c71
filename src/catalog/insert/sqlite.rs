//! Inserts into SQLite through rusqlite. One statement inserts several products, and one row of the change
//! log holds up to a thousand changes. Triggers are enabled only if the database has triggers that the server
//! did not create.

use std::sync::{Arc, LazyLock};

use rusqlite::{Statement, Transaction, config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, params};
use sea_orm::DbErr;

use super::{GENERATED_ID_LIMIT, InsertOutcome, Inserted, RowConflict, StoredIds, client_rows, count};
use crate::{
    catalog::Products,
    domain::{NewProduct, Version},
};

const INSERT_ONE: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?, ?, ?, ?, ?)";
const INSERT_ONE_OR_SKIP: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?, ?, ?, ?, ?) \
                                  ON CONFLICT (id) DO NOTHING";

/// Number of products inserted by one statement if no triggers run. Starting and ending a statement takes a
/// fifth of the time of a single insert.
const ROWS_PER_STATEMENT: usize = 16;

/// With `OR FAIL`, SQLite does not copy every page to undo a failed statement. The copies are not needed,
/// because a failure rolls back the whole transaction. The statement is not used with triggers, because
/// `OR FAIL` would also apply to conflicts inside them.
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| {
    INSERT_ONE.replacen("INSERT", "INSERT OR FAIL", 1) + &", (?, ?, ?, ?, ?)".repeat(ROWS_PER_STATEMENT - 1)
});

/// Selects the highest id below 2^52 that was ever used.
const LAST_ID: &str = "SELECT max(last, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)) FROM product_id";

/// `?1` is the number of products created, `?2` is their version, and `?3` is a JSON array of their ids. Each
/// change has its own number in the `AUTOINCREMENT` sequence. The row has the number of the last change.
const LOG_CREATED: &str = "
INSERT INTO product_change (seq, first_seq, kind, version, product_ids)
SELECT last + ?1, last + 1, 1, ?2, ?3 FROM (
    SELECT max(
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'product_change'), 0),
        coalesce((SELECT max(seq) FROM product_change), 0)
    ) AS last
)";

/// Maximum number of changes in a row of the change log. Reading one change expands the whole row.
const CHANGES_PER_LOG_ROW: usize = 1000;

impl Products {
    /// Inserts the products on a rusqlite connection. Returns `None` if rows are to be replaced, or if
    /// [`Connection::sqlite_transaction`] is not available.
    ///
    /// [`Connection::sqlite_transaction`]: crate::database::Connection::sqlite_transaction
    pub(super) async fn insert_without_triggers(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
        row_conflict: RowConflict,
    ) -> Option<Result<InsertOutcome, DbErr>> {
        let sql = match row_conflict {
            RowConflict::Fail => INSERT_ONE,
            RowConflict::Skip => INSERT_ONE_OR_SKIP,
            RowConflict::Replace => return None,
        };
        let new = new.clone();
        let insert = move |transaction: &Transaction<'_>| {
            let Some((ids, inserted)) = insert_rows(transaction, row_conflict, &new, version)? else {
                return Ok(InsertOutcome::IdsExhausted);
            };
            if !transaction.db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER)? {
                log_created(transaction, &ids, version)?;
            }
            Ok(InsertOutcome::Inserted(inserted))
        };
        self.0.database.writes().sqlite_transaction(sql, insert).await
    }
}

/// Inserts the products. Returns the ids of all stored rows and the result. Returns `None` if too few ids can
/// still be generated.
fn insert_rows(
    transaction: &Transaction<'_>,
    row_conflict: RowConflict,
    new: &[NewProduct],
    version: Version,
) -> rusqlite::Result<Option<(Vec<i64>, Inserted)>> {
    let (mut rows, highest) = client_rows(new);
    let without_id = new.iter().filter(|new| new.id.is_none());
    let Some(generated_ids) = allocate_ids(transaction, highest, count(without_id.clone()))? else {
        return Ok(None);
    };
    let mut stored_client_ids = StoredIds::All;
    if row_conflict == RowConflict::Skip {
        let sent = rows.len();
        rows = insert_or_skip(transaction, rows, version)?;
        stored_client_ids = StoredIds::new(rows.iter().map(|(id, _)| *id), sent);
    } else {
        insert_all(transaction, &rows, version)?;
    }
    let generated_rows: Vec<_> = generated_ids.iter().copied().zip(without_id).collect();
    insert_all(transaction, &generated_rows, version)?;
    let ids = rows.iter().map(|(id, _)| *id).chain(generated_ids.iter().copied()).collect();
    Ok(Some((ids, Inserted { generated_ids, stored_client_ids })))
}

fn insert_all(
    transaction: &Transaction<'_>,
    rows: &[(i64, &NewProduct)],
    version: Version,
) -> rusqlite::Result<()> {
    let has_triggers = transaction.db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER)?;
    let (chunks, remainder) =
        if has_triggers { (&[][..], rows) } else { rows.as_chunks::<ROWS_PER_STATEMENT>() };
    if !chunks.is_empty() {
        let mut statement = transaction.prepare_cached(&INSERT_MANY)?;
        chunks.iter().try_for_each(|rows| execute_rows(&mut statement, rows, version))?;
    }
    if !remainder.is_empty() {
        let mut statement = transaction.prepare_cached(INSERT_ONE)?;
        remainder.chunks(1).try_for_each(|row| execute_rows(&mut statement, row, version))?;
    }
    Ok(())
}

/// Executes a statement that inserts exactly these rows.
fn execute_rows(
    statement: &mut Statement<'_>,
    rows: &[(i64, &NewProduct)],
    version: Version,
) -> rusqlite::Result<()> {
    bind(statement, rows, version)?;
    match statement.raw_execute()? {
        stored if stored == rows.len() => Ok(()),
        // A trigger that the server did not create skipped a row.
        stored => Err(rusqlite::Error::StatementChangedRows(stored)),
    }
}

/// Inserts the rows whose ids are free, and returns them.
fn insert_or_skip<'a>(
    transaction: &Transaction<'_>,
    rows: Vec<(i64, &'a NewProduct)>,
    version: Version,
) -> rusqlite::Result<Vec<(i64, &'a NewProduct)>> {
    let mut statement = transaction.prepare_cached(INSERT_ONE_OR_SKIP)?;
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
    for (index, (id, NewProduct { name, price, amount, .. })) in rows.iter().enumerate() {
        let first = 5 * index + 1;
        statement.raw_bind_parameter(first, id)?;
        statement.raw_bind_parameter(first + 1, name.as_str())?;
        statement.raw_bind_parameter(first + 2, price.ten_thousandths())?;
        statement.raw_bind_parameter(first + 3, amount.get())?;
        statement.raw_bind_parameter(first + 4, version.get())?;
    }
    Ok(())
}

/// Returns `count` new ids above `highest` and above every used id. Returns `None` if too few ids remain.
fn allocate_ids(
    transaction: &Transaction<'_>,
    highest: i64,
    count: i64,
) -> rusqlite::Result<Option<Vec<i64>>> {
    if count == 0 {
        return Ok(Some(Vec::new()));
    }
    let last: i64 = transaction.prepare_cached(LAST_ID)?.query_row([], |row| row.get(0))?;
    let last = last.max(highest);
    Ok((last + count < GENERATED_ID_LIMIT).then(|| (last + 1..=last + count).collect()))
}

fn log_created(transaction: &Transaction<'_>, ids: &[i64], version: Version) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(LOG_CREATED)?;
    for ids in ids.chunks(CHANGES_PER_LOG_ROW) {
        statement.execute(params![count(ids.iter()), version.get(), json_array(ids)])?;
    }
    Ok(())
}

/// Returns the ids as a JSON array. Formatting with `{ids:?}` would take 1 % of the time of an array insert.
fn json_array(ids: &[i64]) -> String {
    let mut json = String::with_capacity(17 * ids.len() + 2);
    json.push('[');
    for (index, id) in ids.iter().enumerate() {
        json.push_str(if index > 0 { "," } else { "" });
        json.push_str(itoa::Buffer::new().format(*id));
    }
    json.push(']');
    json
}
