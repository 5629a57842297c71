//! Check of the tables at startup. Requests would otherwise fail one by one.

use entity::{idempotency_key, product};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect, QueryTrait, Statement};

use super::{Kind, postgres, sqlite};

/// Checks that all tables and columns exist that statements use.
///
/// # Errors
/// Returns an error if one of them is missing.
pub(super) async fn check_tables(connection: &impl ConnectionTrait, kind: Kind) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    let change_log = match kind {
        Kind::Sqlite => sqlite::SELECT_LAST_CHANGE,
        Kind::PostgreSql => postgres::SELECT_NEWEST_CHANGE,
    };
    for statement in [
        product::Entity::find().limit(0).build(backend),
        idempotency_key::Entity::find().limit(0).build(backend),
        Statement::from_string(backend, change_log),
    ] {
        connection.query_all_raw(statement).await?;
    }
    Ok(())
}
