//! Rows of the table `product`, decoded.

use sea_orm::{DbErr, QueryResult};

use super::Product;

/// The products of rows that have the entity's columns in its order: to look each value up by its column's name would take
/// as long again.
///
/// # Errors
/// One of them is no product.
pub(super) fn products(rows: &[QueryResult]) -> Result<Vec<Product>, DbErr> {
    rows.iter().map(product).collect()
}

fn product(row: &QueryResult) -> Result<Product, DbErr> {
    Ok(Product {
        id: row.try_get_by_index(0)?,
        name: row.try_get_by_index(1)?,
        price: row.try_get_by_index(2)?,
        amount: row.try_get_by_index(3)?,
        version: row.try_get_by_index(4)?,
    })
}
