//! Rows of the table `product`, decoded.

use entity::{Amount, Name, Price, Version};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value as SqlValue, sea_query::ValueType,
};

use super::{Product, ProductId};
use crate::database::Connection;

/// SQLite's rows come from a thread of its own, each value of each row by itself: one text with all of them takes a
/// third of the time.
const AS_JSON_SQLITE: &str = "SELECT json_group_array(json_array(id, name, price, amount, version)) FROM (";

/// A product as its columns.
type Columns = (i64, String, i64, i32, i64);

/// Reads the products that a statement selects, which names the entity's columns in its order, and keeps the statement's
/// order.
///
/// # Errors
/// The database fails, or one of them is no product.
pub(super) async fn read(database: &Connection, mut select: Statement) -> Result<Vec<Product>, DbErr> {
    if database.get_database_backend() == DbBackend::Postgres {
        return database.query_all_raw(select).await?.iter().map(product).collect();
    }
    select.sql = format!("{AS_JSON_SQLITE}{})", select.sql);
    let row = database.query_one_raw(select).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("an aggregate is always there".to_owned()))?;
    let rows: Vec<Columns> = serde_json::from_str(&row.try_get_by_index::<String>(0)?)
        .map_err(|error| DbErr::Json(error.to_string()))?;
    rows.into_iter().map(of_columns).collect()
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
        id: stored::<ProductId>(id)?,
        name: stored::<Name>(name)?,
        price: stored::<Price>(price)?,
        amount: stored::<Amount>(amount)?,
        version: stored::<Version>(version)?,
    })
}

/// A value as the database has it.
fn stored<T: ValueType>(value: impl Into<SqlValue>) -> Result<T, DbErr> {
    T::try_from(value.into()).map_err(|error| DbErr::Type(error.to_string()))
}
