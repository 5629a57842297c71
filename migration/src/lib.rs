//! The schema migrations in order, for SQLite and PostgreSQL.
//!
//! A released migration must not be edited. It must not import `entity`, because entities may change later.

pub use sea_orm_migration::{MigrationTrait, MigratorTrait, seaql_migrations};
use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

mod m20261123_000001_create_product;
mod m20261124_000001_create_idempotency_key;
mod m20261124_000002_create_product_change;
mod m20261125_000001_group_product_changes;
mod m20261125_000002_lighten_inserts;
mod m20261128_000001_group_sqlite_changes;
mod m20261128_000002_leap_sooner;
mod m20261130_000001_separate_id_counter;
mod m20261130_000002_log_each_change;
mod m20261130_000003_number_log_rows_safely;
mod m20261130_000004_create_api_token;

/// Runs the statements for the database.
async fn run(manager: &SchemaManager<'_>, postgresql: &str, sqlite: &str) -> Result<(), DbErr> {
    let is_postgresql = manager.get_database_backend() == DbBackend::Postgres;
    let sql = if is_postgresql { postgresql } else { sqlite };
    manager.get_connection().execute_unprepared(sql).await?;
    Ok(())
}

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_create_product::Migration),
            Box::new(m20261124_000001_create_idempotency_key::Migration),
            Box::new(m20261124_000002_create_product_change::Migration),
            Box::new(m20261125_000001_group_product_changes::Migration),
            Box::new(m20261125_000002_lighten_inserts::Migration),
            Box::new(m20261128_000001_group_sqlite_changes::Migration),
            Box::new(m20261128_000002_leap_sooner::Migration),
            Box::new(m20261130_000001_separate_id_counter::Migration),
            Box::new(m20261130_000002_log_each_change::Migration),
            Box::new(m20261130_000003_number_log_rows_safely::Migration),
            Box::new(m20261130_000004_create_api_token::Migration),
        ]
    }
}
