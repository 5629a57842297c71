//! Reads of products, and changes of many products, each in one statement.

use std::collections::HashMap;

use sea_orm::{Statement, Value};

use super::{BACKEND, connection::Connection, rows};
use crate::{
    domain::{NewProduct, Product, ProductId, Version},
    store::StoreError,
};
use sea_orm::sqlx::Row;

/// Selects the products with the ids `$1`. The text is the same for any number of ids, so that each
/// connection prepares it once.
const SELECT_MANY: &str = "SELECT id, name, price, amount, version FROM product WHERE id = ANY($1)";

const SELECT_EXISTING_IDS: &str = "SELECT id FROM product WHERE id = ANY($1)";

/// Array length that PostgreSQL assumes for a parameter. For shorter arrays, it plans each execution, which
/// takes as long as reading ten products.
const ASSUMED_ARRAY_LEN: usize = 10;

/// Returns those of the products that exist, in any order.
pub(super) async fn get_many(
    connection: &mut Connection,
    ids: &[ProductId],
) -> Result<Vec<Product>, StoreError> {
    rows::products(&connection.query(select_many(ids)).await?)
}

/// Returns a statement that selects those of the products that exist.
pub(super) fn select_many(ids: &[ProductId]) -> Statement {
    let mut ids = columns(ids);
    if let Some(last) = ids.last() {
        // Padding with the last id is harmless, because a repeated id matches its row once.
        ids.resize(ids.len().max(ASSUMED_ARRAY_LEN), *last);
    }
    Statement::from_sql_and_values(BACKEND, SELECT_MANY, [ids.into()])
}

/// Returns those of the ids that belong to products.
pub(super) async fn existing_ids(
    connection: &mut Connection,
    ids: &[ProductId],
) -> Result<Vec<ProductId>, StoreError> {
    let select = Statement::from_sql_and_values(BACKEND, SELECT_EXISTING_IDS, [columns(ids).into()]);
    let ids: Vec<i64> = rows::first_column(&connection.query(select).await?)?;
    ids.into_iter().map(|id| Ok(ProductId::try_from(id)?)).collect()
}

pub(super) fn columns(ids: &[ProductId]) -> Vec<i64> {
    ids.iter().map(|id| id.get()).collect()
}

/// `$1` to `$4` are the ids, names, prices and amounts as arrays. The rows are locked in the order of their
/// ids, so that concurrent updates cannot deadlock. They are changed only if all of them exist.
const REPLACE_MANY: &str = "
WITH locked AS MATERIALIZED (
    SELECT id FROM product WHERE id = ANY($1) ORDER BY id FOR UPDATE
)
UPDATE product SET name = sent.name, price = sent.price, amount = sent.amount, version = version + 1
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[]) AS sent (id, name, price, amount)
WHERE product.id = sent.id AND (SELECT count(*) FROM locked) = cardinality($1)
RETURNING product.id, version";

/// Replaces all of the products and returns their new versions. Changes nothing and returns an empty map if
/// one of them does not exist.
pub(super) async fn replace_many(
    connection: &mut Connection,
    products: &[NewProduct],
) -> Result<HashMap<ProductId, Version>, StoreError> {
    let values: [Value; 4] = [
        products.iter().filter_map(|new| Some(new.id?.get())).collect::<Vec<i64>>().into(),
        products.iter().map(|new| new.name.as_str().to_owned()).collect::<Vec<String>>().into(),
        products.iter().map(|new| new.price.ten_thousandths()).collect::<Vec<i64>>().into(),
        products.iter().map(|new| new.amount.get()).collect::<Vec<i32>>().into(),
    ];
    let rows = connection.query(Statement::from_sql_and_values(BACKEND, REPLACE_MANY, values)).await?;
    let version = |row: &_| {
        let (id, version): (i64, i64) = (Row::try_get(row, 0)?, Row::try_get(row, 1)?);
        Ok((ProductId::try_from(id)?, Version::from(version)))
    };
    rows.iter().map(version).collect()
}
