//! Makes inserts faster.
//!
//! On SQLite, `product_id.last` only has to include ids that are no longer in use, because ids in use can be
//! looked up. Inserts therefore do not update it. On PostgreSQL, new products are logged in the order of
//! insertion, without sorting.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP_POSTGRESQL, UP_SQLITE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN_POSTGRESQL, DOWN_SQLITE).await
    }
}

async fn run(manager: &SchemaManager<'_>, postgresql: &str, sqlite: &str) -> Result<(), DbErr> {
    let is_postgresql = manager.get_database_backend() == DbBackend::Postgres;
    let sql = if is_postgresql { postgresql } else { sqlite };
    manager.get_connection().execute_unprepared(sql).await?;
    Ok(())
}

const UP_SQLITE: &str = "
DROP TRIGGER product_id_used;
CREATE TRIGGER product_id_gone AFTER DELETE ON product WHEN OLD.id < 4503599627370496 BEGIN
    UPDATE product_id SET last = OLD.id WHERE last < OLD.id;
END;
CREATE TRIGGER product_id_changed AFTER UPDATE OF id ON product WHEN OLD.id < 4503599627370496 BEGIN
    UPDATE product_id SET last = OLD.id WHERE last < OLD.id;
END";

const DOWN_SQLITE: &str = "
DROP TRIGGER product_id_gone;
DROP TRIGGER product_id_changed;
UPDATE product_id SET last =
    max(last, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0));
CREATE TRIGGER product_id_used AFTER INSERT ON product WHEN NEW.id < 4503599627370496 BEGIN
    UPDATE product_id SET last = NEW.id WHERE last < NEW.id;
END";

const UP_POSTGRESQL: &str = "
CREATE OR REPLACE FUNCTION product_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    SELECT 1, ids[first:first + 999], versions[first:first + 999]
    FROM (SELECT array_agg(id) AS ids, array_agg(version) AS versions FROM after) AS stored,
        generate_series(1, cardinality(ids), 1000) AS first
    ORDER BY first;
    RETURN NULL;
END
$$";

const DOWN_POSTGRESQL: &str = "
CREATE OR REPLACE FUNCTION product_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    SELECT 1, array_agg(id ORDER BY id), array_agg(version ORDER BY id)
    FROM (SELECT id, version, row_number() OVER (ORDER BY id) - 1 AS place FROM after) AS numbered
    GROUP BY place / 1000 ORDER BY place / 1000;
    RETURN NULL;
END
$$";
