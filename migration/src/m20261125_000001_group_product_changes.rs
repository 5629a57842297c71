//! Replaces the change log on PostgreSQL with the table `product_change_log`, whose rows hold up to 1000
//! changes of a statement. A row for each change takes a third of the time of an insert of many products.
//! `product_change` becomes a view, for instances of an older version.
//!
//! The sequence number of a change is its row's `seq` times 1024, plus its index in the row, from 0. The
//! old log is dropped, and readers detect that their position no longer exists. SQLite is unchanged, because
//! its triggers run for each product.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::m20261124_000002_create_product_change as before;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if is_postgresql(manager) {
            manager.get_connection().execute_unprepared(UP).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if is_postgresql(manager) {
            manager.get_connection().execute_unprepared(TO_BEFORE).await?;
            before::Migration.down(manager).await?;
            before::Migration.up(manager).await?;
        }
        Ok(())
    }
}

fn is_postgresql(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Postgres
}

/// The lock makes writers wait until the triggers use the new functions. The arrays are stored without
/// compression. Versions are random, and trying to compress them takes longer than the rest of the insert.
const UP: &str = "
LOCK TABLE product IN SHARE ROW EXCLUSIVE MODE;
DROP TABLE product_change;
CREATE UNLOGGED TABLE product_change_log (
    xact bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    kind smallint NOT NULL,
    product_ids bigint[] NOT NULL,
    versions bigint[] NOT NULL,
    PRIMARY KEY (xact, seq)
);
ALTER TABLE product_change_log
    ALTER product_ids SET STORAGE EXTERNAL,
    ALTER versions SET STORAGE EXTERNAL;
CREATE VIEW product_change AS
    SELECT xact, (seq << 10) + place - 1 AS seq, at, kind, product_id, version
    FROM product_change_log, unnest(product_ids, versions) WITH ORDINALITY AS change (product_id, version, place);
CREATE OR REPLACE FUNCTION product_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    SELECT 1, array_agg(id ORDER BY id), array_agg(version ORDER BY id)
    FROM (SELECT id, version, row_number() OVER (ORDER BY id) - 1 AS place FROM after) AS numbered
    GROUP BY place / 1000 ORDER BY place / 1000;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION product_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    SELECT kind, array_agg(id ORDER BY id), array_agg(version ORDER BY id)
    FROM (
        SELECT kind, id, version, row_number() OVER (PARTITION BY kind ORDER BY id) - 1 AS place
        FROM (
            SELECT id, after.version, CASE
                WHEN after.name = before.name AND after.price = before.price AND after.amount <> before.amount THEN 3
                ELSE 2
            END AS kind
            FROM after JOIN before USING (id)
        ) AS updated
    ) AS numbered
    GROUP BY kind, place / 1000 ORDER BY kind, place / 1000;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION product_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    SELECT 4, array_agg(id ORDER BY id), array_agg(version ORDER BY id)
    FROM (SELECT id, version, row_number() OVER (ORDER BY id) - 1 AS place FROM before) AS numbered
    GROUP BY place / 1000 ORDER BY place / 1000;
    RETURN NULL;
END
$$";

/// Gives the log the table name that `down` of the previous migration drops.
const TO_BEFORE: &str = "
LOCK TABLE product IN ACCESS EXCLUSIVE MODE;
DROP VIEW product_change;
ALTER TABLE product_change_log RENAME TO product_change";
