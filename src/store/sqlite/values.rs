//! Binds the values of SeaORM's statements, and reads rows.

use rusqlite::{
    CachedStatement, Connection, Error, Result, Row, ToSql,
    types::{Null, ToSqlOutput},
};
use sea_orm::{Statement, Value};

use crate::{
    domain::Product,
    store::{StoreError, StoredResponse, row},
};

/// A value of a statement that SeaORM has built.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        match self.0 {
            Value::Bool(Some(value)) => value.to_sql(),
            Value::SmallInt(Some(value)) => value.to_sql(),
            Value::Int(Some(value)) => value.to_sql(),
            Value::BigInt(Some(value)) => value.to_sql(),
            Value::BigUnsigned(Some(value)) => i64::try_from(*value)
                .map(ToSqlOutput::from)
                .map_err(|error| Error::ToSqlConversionFailure(error.into())),
            Value::String(Some(value)) => value.to_sql(),
            Value::Bytes(Some(value)) => value.to_sql(),
            value if *value == value.as_null() => Ok(ToSqlOutput::from(Null)),
            _ => Err(Error::ToSqlConversionFailure("the schema has no columns of this type".into())),
        }
    }
}

/// Prepares a statement and binds its values.
pub(super) fn prepare<'c>(connection: &'c Connection, statement: &Statement) -> Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let values = statement.values.iter().flat_map(|values| &values.0);
    for (index, value) in values.enumerate() {
        prepared.raw_bind_parameter(index + 1, Bound(value))?;
    }
    Ok(prepared)
}

/// Returns the rows that a statement selects or returns, each converted by `convert`.
pub(super) fn rows<T>(
    connection: &Connection,
    statement: &Statement,
    convert: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut prepared = prepare(connection, statement)?;
    let (mut rows, mut converted) = (prepared.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        converted.push(convert(row)?);
    }
    Ok(converted)
}

/// Converts a row to a stored response.
pub(super) fn stored_response(row: &Row<'_>) -> Result<StoredResponse> {
    Ok(StoredResponse { fingerprint: row.get(0)?, response: row.get(1)? })
}

/// Converts a row with the entity's columns to a product.
pub(super) fn product(row: &Row<'_>) -> Result<Product> {
    let name = row.get_ref(1)?.as_str()?.to_owned();
    row::product((row.get(0)?, name, row.get(2)?, row.get(3)?, row.get(4)?)).map_err(invalid_data)
}

/// Wraps an error in the only error type that closures on a connection may return.
pub(super) fn invalid_data(error: StoreError) -> Error {
    Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, Box::new(error))
}
