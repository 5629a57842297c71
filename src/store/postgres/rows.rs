//! Decoding of rows.

use sea_orm::sqlx::{Decode, Postgres, Row, Type, postgres::PgRow};

use crate::{
    domain::Product,
    store::{StoreError, StoredResponse, row},
};

/// Returns the products of rows that consist of the entity's columns.
pub(super) fn products(rows: &[PgRow]) -> Result<Vec<Product>, StoreError> {
    rows.iter().map(product).collect()
}

pub(super) fn product(row: &PgRow) -> Result<Product, StoreError> {
    row::product((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
}

/// Returns the values of the first column.
pub(super) fn first_column<'r, T>(rows: &'r [PgRow]) -> Result<Vec<T>, StoreError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Returns the stored response of the first row.
pub(super) fn stored_response(rows: &[PgRow]) -> Result<Option<StoredResponse>, StoreError> {
    let response =
        |row: &PgRow| Ok(StoredResponse { fingerprint: row.try_get(0)?, response: row.try_get(1)? });
    rows.first().map(response).transpose()
}
