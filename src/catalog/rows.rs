//! Rows of the table `product`, decoded.

use rusqlite::{OptionalExtension, Row, Transaction};
use sea_orm::{
    ConnectionTrait, DbErr, QueryResult, Statement, Value as SqlValue, sea_query::ValueType,
    sqlx::error::DatabaseError,
};

use super::{Product, error::refusal};
use crate::database::{Connection, Kind};

/// SQLite's rows come from a thread of its own, each value of each row by itself: a page as one text takes less
/// than half the time. Its products are in the order of the statement within.
const AS_JSON_SQLITE: &str = "SELECT json_group_array(json_array(id, name, price, amount, version)) FROM (";

/// A product as its columns.
type Columns = (i64, String, i64, i32, i64);

/// Reads the products that a statement selects, which names the entity's columns in its order.
///
/// # Errors
/// The database fails, or one of them is no product.
pub(super) async fn read(
    database: &Connection,
    kind: Kind,
    mut select: Statement,
) -> Result<Vec<Product>, DbErr> {
    if kind == Kind::PostgreSql {
        return database.query_all_raw(select).await?.iter().map(product).collect();
    }
    select.sql = format!("{AS_JSON_SQLITE}{})", select.sql);
    let row = database.query_one_raw(select).await.map_err(unreadable)?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("no row of an aggregate".to_owned()))?;
    let json: String = row.try_get_by_index(0)?;
    let rows: Vec<Columns> = serde_json::from_str(&json).map_err(|error| DbErr::Json(error.to_string()))?;
    rows.into_iter().map(of_columns).collect()
}

/// One of [`read_directly`].
const ONE_SQLITE: &str = "SELECT id, name, price, amount, version FROM product WHERE id = ?1";

/// Reads those products from SQLite that are there; `None` where [`Connection::directly`] can't.
///
/// # Errors
/// The database fails, or one of them is no product.
pub(super) async fn read_directly(
    database: &Connection,
    ids: Vec<i64>,
) -> Option<Result<Vec<Product>, DbErr>> {
    let read = move |transaction: &Transaction<'_>| {
        let mut one = transaction.prepare_cached(ONE_SQLITE)?;
        let columns = |row: &Row<'_>| Columns::try_from(row);
        let found = ids.iter().map(|id| one.query_row([id], columns).optional());
        found.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    };
    let rows = database.sqlite_transaction(ONE_SQLITE, read).await?;
    Some(rows.and_then(|rows| rows.into_iter().map(of_columns).collect()))
}

/// A BLOB is none of our values, and not the database's fault. SQLite tells it from a wrong statement by its words alone.
fn unreadable(error: DbErr) -> DbErr {
    match refusal(&error).map(DatabaseError::message) {
        Some("JSON cannot hold BLOB values" | "malformed JSON") => DbErr::Json(error.to_string()),
        _ => error,
    }
}

/// By its columns' places: to look each value up by its column's name would take as long again.
fn product(row: &QueryResult) -> Result<Product, DbErr> {
    Ok(Product {
        id: row.try_get_by_index(0)?,
        name: row.try_get_by_index(1)?,
        price: row.try_get_by_index(2)?,
        amount: row.try_get_by_index(3)?,
        version: row.try_get_by_index(4)?,
    })
}

fn of_columns((id, name, price, amount, version): Columns) -> Result<Product, DbErr> {
    Ok(Product {
        id: of_value(id)?,
        name: of_value(name)?,
        price: of_value(price)?,
        amount: of_value(amount)?,
        version: of_value(version)?,
    })
}

/// Our type of a value of the database.
fn of_value<T: ValueType>(value: impl Into<SqlValue>) -> Result<T, DbErr> {
    T::try_from(value.into()).map_err(|error| DbErr::Type(error.to_string()))
}
