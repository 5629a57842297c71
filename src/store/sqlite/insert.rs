//! Inserts. One statement inserts several products.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, Result, Statement};

use super::{update, write_transaction::WriteTransaction};
use crate::{
    domain::{ChangeKind, NewProduct, Product, ProductId, Version},
    store::insert::{GENERATED_ID_LIMIT, Insert, Inserted, RowConflict, StoredIds, client_rows, count},
};

pub(super) const INSERT_ONE: &str =
    "INSERT INTO product (id, name, price, amount, version) VALUES (?, ?, ?, ?, ?)";
const INSERT_ONE_OR_SKIP: &str = "INSERT INTO product (id, name, price, amount, version) VALUES (?, ?, ?, ?, ?) \
                                  ON CONFLICT (id) DO NOTHING";

/// Number of products inserted by one statement if no triggers run. Starting and ending a statement takes a
/// fifth of the time of a single insert.
const ROWS_PER_STATEMENT: usize = 16;

/// With `OR FAIL`, SQLite does not copy every page to undo a failed statement. The copies are not needed,
/// because a failure rolls back the transaction or savepoint. The statement is not used with triggers,
/// because `OR FAIL` would also apply to conflicts inside them.
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| {
    INSERT_ONE.replacen("INSERT", "INSERT OR FAIL", 1) + &", (?, ?, ?, ?, ?)".repeat(ROWS_PER_STATEMENT - 1)
});

/// Inserts the products. Returns `None` and inserts none if too few ids can still be generated.
pub(super) fn insert(transaction: &mut WriteTransaction<'_>, insert: &Insert) -> Result<Option<Inserted>> {
    let Insert { products, version, on_conflict, wait: _ } = insert;
    let mut rows = client_rows(products);
    let without_id = products.iter().filter(|new| new.id.is_none());
    let Some(generated_ids) = generate_ids(transaction, count(without_id.clone()), &rows)? else {
        return Ok(None);
    };
    let stored_client_ids = match on_conflict {
        RowConflict::Fail => {
            insert_all(transaction, &rows, *version)?;
            StoredIds::All
        }
        RowConflict::Skip => {
            let sent = rows.len();
            rows = insert_or_skip(transaction, rows, *version)?;
            StoredIds::new(rows.iter().map(|(id, _)| *id), sent)
        }
        RowConflict::Replace => {
            let sent = rows.len();
            rows = insert_or_replace(transaction, rows, *version)?;
            StoredIds::new(rows.iter().map(|(id, _)| *id), sent)
        }
    };
    let generated_rows: Vec<_> = generated_ids.iter().copied().zip(without_id).collect();
    insert_all(transaction, &generated_rows, *version)?;
    Ok(Some(Inserted { generated_ids, stored_client_ids }))
}

fn insert_all(
    transaction: &mut WriteTransaction<'_>,
    rows: &[(i64, &NewProduct)],
    version: Version,
) -> Result<()> {
    let (chunks, remainder) =
        if transaction.runs_triggers() { (&[][..], rows) } else { rows.as_chunks::<ROWS_PER_STATEMENT>() };
    if !chunks.is_empty() {
        let mut statement = transaction.connection.prepare_cached(&INSERT_MANY)?;
        chunks.iter().try_for_each(|rows| execute_rows(&mut statement, rows, version))?;
    }
    if !remainder.is_empty() {
        let mut statement = transaction.connection.prepare_cached(INSERT_ONE)?;
        remainder.chunks(1).try_for_each(|row| execute_rows(&mut statement, row, version))?;
    }
    log_created(transaction, rows, version);
    Ok(())
}

fn log_created(transaction: &mut WriteTransaction<'_>, rows: &[(i64, &NewProduct)], version: Version) {
    for id in rows.iter().filter_map(|(id, _)| ProductId::try_from(*id).ok()) {
        transaction.log(ChangeKind::Created, id, version);
    }
}

/// Executes a statement that inserts exactly these rows.
fn execute_rows(statement: &mut Statement<'_>, rows: &[(i64, &NewProduct)], version: Version) -> Result<()> {
    bind(statement, rows, version)?;
    match statement.raw_execute()? {
        stored if stored == rows.len() => Ok(()),
        // A trigger that the server did not create skipped a row.
        stored => Err(rusqlite::Error::StatementChangedRows(stored)),
    }
}

/// Inserts the rows whose ids are free, and returns them.
fn insert_or_skip<'a>(
    transaction: &mut WriteTransaction<'_>,
    rows: Vec<(i64, &'a NewProduct)>,
    version: Version,
) -> Result<Vec<(i64, &'a NewProduct)>> {
    let mut statement = transaction.connection.prepare_cached(INSERT_ONE_OR_SKIP)?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        bind(&mut statement, &[row], version)?;
        if statement.raw_execute()? > 0 {
            stored.push(row);
        }
    }
    log_created(transaction, &stored, version);
    Ok(stored)
}

/// Inserts the rows or replaces the rows with the same ids. Returns the rows that were stored: a row that
/// already has the new version is kept, because the same import has stored it.
fn insert_or_replace<'a>(
    transaction: &mut WriteTransaction<'_>,
    rows: Vec<(i64, &'a NewProduct)>,
    version: Version,
) -> Result<Vec<(i64, &'a NewProduct)>> {
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, NewProduct { name, price, amount, .. }) = row;
        let id = ProductId::try_from(id).map_err(|error| super::values::invalid_data(error.into()))?;
        match update::find(transaction.connection, id)? {
            Some(before) if before.version == version => continue,
            Some(before) => {
                let product = Product { id, name: name.clone(), price: *price, amount: *amount, version };
                update::store(transaction, &before, &product)?;
            }
            None => insert_all(transaction, &[row], version)?,
        }
        stored.push(row);
    }
    Ok(stored)
}

fn bind(statement: &mut Statement<'_>, rows: &[(i64, &NewProduct)], version: Version) -> Result<()> {
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

const LAST_ID: &str = "SELECT last FROM product_id";
const SET_LAST_ID: &str = "UPDATE product_id SET last = ?";
const RAISE_LAST_ID: &str = "UPDATE product_id SET last = max(last, ?)";
const HIGHEST_ID_BETWEEN: &str = "SELECT id FROM product WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1";

/// Returns the last generated id, or 0.
pub(super) fn last_id(connection: &Connection) -> Result<i64> {
    connection.prepare_cached(LAST_ID)?.query_row([], |row| row.get(0))
}

/// Prevents that ids up to `last_id` are generated.
pub(super) fn raise_last_id(connection: &Connection, last_id: i64) -> Result<()> {
    connection.execute(RAISE_LAST_ID, [last_id]).map(drop)
}

/// Number of ids first searched for ids that clients have used.
const SMALLEST_WINDOW: i64 = 1024;
/// Maximum number of ids that the counter skips because of one product. A client would have to create 2^36
/// products to use up the ids.
const LARGEST_WINDOW: i64 = 1 << 16;

/// Returns `count` consecutive ids, all higher than the ids generated before. Skips ids that clients have
/// used or use in `rows`, and the ids among them. Returns `None` if too few ids remain.
fn generate_ids(
    transaction: &WriteTransaction<'_>,
    count: i64,
    rows: &[(i64, &NewProduct)],
) -> Result<Option<Vec<i64>>> {
    if count == 0 {
        return Ok(Some(Vec::new()));
    }
    let last = last_id(transaction.connection)?;
    let mut select = transaction.connection.prepare_cached(HIGHEST_ID_BETWEEN)?;
    let mut highest_used = |first: i64, end: i64| -> Result<Option<i64>> {
        let stored = select.query_row([first, end], |row| row.get(0)).optional()?;
        let sent = rows[..rows.partition_point(|(id, _)| *id < end)].last().map(|(id, _)| *id);
        Ok(stored.max(sent.filter(|id| *id >= first)))
    };
    let (mut first, mut window) = (last + 1, SMALLEST_WINDOW);
    while highest_used(first, first + count)?.is_some() {
        if let Some(used) = highest_used(first, first + window.max(count))? {
            first = used + 1;
        }
        window = (2 * window).min(LARGEST_WINDOW);
    }
    let end = first + count;
    if end > GENERATED_ID_LIMIT {
        return Ok(None);
    }
    transaction.connection.prepare_cached(SET_LAST_ID)?.execute([end - 1])?;
    Ok(Some((first..end).collect()))
}
