//! Numbers the rows of PostgreSQL's change log with a sequence of its own. The sequence of an identity column is
//! unlogged like its table, and is damaged on a standby that is promoted soon after the migration. Then every
//! write would fail.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        manager.get_connection().execute_unprepared(sql).await?;
    }
    Ok(())
}

const UP: &str = "
LOCK TABLE product_change_log IN ACCESS EXCLUSIVE MODE;
CREATE SEQUENCE product_change_number AS bigint;
-- An identity column needs no privilege on its sequence, and triggers run with the rights of any writer.
GRANT USAGE ON SEQUENCE product_change_number TO PUBLIC;
SELECT setval('product_change_number', coalesce(max(seq), 0) + 1) FROM product_change_log;
ALTER TABLE product_change_log ALTER seq DROP IDENTITY;
ALTER TABLE product_change_log ALTER seq SET DEFAULT nextval('product_change_number')";

const DOWN: &str = "
LOCK TABLE product_change_log IN ACCESS EXCLUSIVE MODE;
ALTER TABLE product_change_log ALTER seq DROP DEFAULT;
ALTER TABLE product_change_log ALTER seq ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('product_change_log', 'seq'), nextval('product_change_number'));
DROP SEQUENCE product_change_number";
