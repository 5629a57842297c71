//! Reads and decodes rows of the table `product`.

use rusqlite::{OptionalExtension, Row, Transaction};
use sea_orm::{
    ConnectionTrait, DbErr, QueryResult, Statement, Value as SqlValue, sea_query::ValueType,
    sqlx::error::DatabaseError,
};

use super::database_error::database_error;
use crate::{
    database::{Connection, Kind},
    domain::Product,
};

/// Start of a query that returns all rows as one JSON text, in the order of the inner statement. sqlx's
/// SQLite thread sends each value of each row separately, which takes more than twice as long.
const AS_JSON_SQLITE: &str = "SELECT json_group_array(json_array(id, name, price, amount, version)) FROM (";

/// Values of a row of the table `product`.
type Columns = (i64, String, i64, i32, i64);

/// Runs a statement that selects the entity's columns in their order, and returns the products.
///
/// # Errors
/// Returns an error if the database fails or a row is not a valid product.
pub(super) async fn read(
    database: &Connection,
    kind: Kind,
    mut select: Statement,
) -> Result<Vec<Product>, DbErr> {
    if kind == Kind::PostgreSql {
        return database.query_all_raw(select).await?.iter().map(from_row).collect();
    }
    select.sql = format!("{AS_JSON_SQLITE}{})", select.sql);
    let row = database.query_one_raw(select).await.map_err(classify_decode_error)?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("an aggregate returned no row".to_owned()))?;
    let json: String = row.try_get_by_index(0)?;
    let rows: Vec<Columns> = serde_json::from_str(&json).map_err(|error| DbErr::Json(error.to_string()))?;
    rows.into_iter().map(from_columns).collect()
}

const SELECT_ONE_SQLITE: &str = "SELECT id, name, price, amount, version FROM product WHERE id = ?1";

/// Reads the products with these ids from SQLite without sqlx. Returns `None` if
/// [`Connection::sqlite_transaction`] is not available.
///
/// # Errors
/// Returns an error if the database fails or a row is not a valid product.
pub(super) async fn read_by_ids_sqlite(
    database: &Connection,
    ids: Vec<i64>,
) -> Option<Result<Vec<Product>, DbErr>> {
    let read = move |transaction: &Transaction<'_>| {
        let mut select = transaction.prepare_cached(SELECT_ONE_SQLITE)?;
        let columns = |row: &Row<'_>| Columns::try_from(row);
        let found = ids.iter().map(|id| select.query_row([id], columns).optional());
        found.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    };
    let rows = database.sqlite_transaction(SELECT_ONE_SQLITE, read).await?;
    Some(rows.and_then(|rows| rows.into_iter().map(from_columns).collect()))
}

/// Maps the errors for a BLOB in a row to decode errors: the row is invalid, but the database works. SQLite
/// gives them the same code as an error in the statement, so only the message distinguishes them.
fn classify_decode_error(error: DbErr) -> DbErr {
    match database_error(&error).map(DatabaseError::message) {
        Some("JSON cannot hold BLOB values" | "malformed JSON") => DbErr::Json(error.to_string()),
        _ => error,
    }
}

/// Decodes a row by column index. Access by column name takes twice as long.
fn from_row(row: &QueryResult) -> Result<Product, DbErr> {
    Ok(Product {
        id: row.try_get_by_index(0)?,
        name: row.try_get_by_index(1)?,
        price: row.try_get_by_index(2)?,
        amount: row.try_get_by_index(3)?,
        version: row.try_get_by_index(4)?,
    })
}

fn from_columns((id, name, price, amount, version): Columns) -> Result<Product, DbErr> {
    Ok(Product {
        id: decode(id)?,
        name: decode(name)?,
        price: decode(price)?,
        amount: decode(amount)?,
        version: decode(version)?,
    })
}

/// Converts a database value to a domain type.
fn decode<T: ValueType>(value: impl Into<SqlValue>) -> Result<T, DbErr> {
    T::try_from(value.into()).map_err(|error| DbErr::Type(error.to_string()))
}
