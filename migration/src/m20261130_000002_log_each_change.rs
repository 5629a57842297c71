//! Gives the change log one format on both databases: a row holds up to 1000 changes of the same kind. The
//! sequence number of a change is its row's `seq` times 1024, plus its index in the row, from 0.
//!
//! On SQLite, the old log is dropped, and readers detect that their position no longer exists. `versions` has
//! one version per product, or a single one that all of them share.
//!
//! On PostgreSQL, the trigger logs each of several stock adjustments that one statement has carried out. Each
//! adjustment increments the version, so the versions show their number.

use sea_orm_migration::prelude::*;

use crate::run;

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

/// The sequence starts at a row number above the old sequence numbers, so that no old position is in the new
/// log.
const UP_SQLITE: &str = "
CREATE TABLE product_change_log (
    seq integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    at integer NOT NULL DEFAULT (unixepoch()),
    kind integer NOT NULL,
    product_ids text NOT NULL,
    versions text NOT NULL
);
INSERT INTO sqlite_sequence (name, seq)
SELECT 'product_change_log', coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'product_change';
DROP TRIGGER product_created;
DROP TRIGGER product_updated;
DROP TRIGGER product_deleted;
DROP TABLE product_change;
CREATE TRIGGER product_created AFTER INSERT ON product BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    VALUES (1, json_array(NEW.id), json_array(NEW.version));
END;
CREATE TRIGGER product_updated AFTER UPDATE ON product BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions) VALUES (
        CASE WHEN NEW.name = OLD.name AND NEW.price = OLD.price AND NEW.amount <> OLD.amount THEN 3 ELSE 2 END,
        json_array(NEW.id), json_array(NEW.version)
    );
END;
CREATE TRIGGER product_deleted AFTER DELETE ON product BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    VALUES (4, json_array(OLD.id), json_array(OLD.version));
END";

const DOWN_SQLITE: &str = "
CREATE TABLE product_change (
    xact integer NOT NULL DEFAULT 0,
    seq integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    at integer NOT NULL DEFAULT (unixepoch()),
    kind integer NOT NULL,
    product_id integer,
    version integer,
    first_seq integer,
    product_ids text
);
INSERT INTO sqlite_sequence (name, seq)
SELECT 'product_change', (coalesce(max(seq), 0) + 1) << 10 FROM sqlite_sequence
WHERE name = 'product_change_log';
DROP TRIGGER product_created;
DROP TRIGGER product_updated;
DROP TRIGGER product_deleted;
DROP TABLE product_change_log;
CREATE TRIGGER product_created AFTER INSERT ON product BEGIN
    INSERT INTO product_change (kind, product_id, version) VALUES (1, NEW.id, NEW.version);
END;
CREATE TRIGGER product_updated AFTER UPDATE ON product BEGIN
    INSERT INTO product_change (kind, product_id, version) VALUES (
        CASE WHEN NEW.name = OLD.name AND NEW.price = OLD.price AND NEW.amount <> OLD.amount THEN 3 ELSE 2 END,
        NEW.id, NEW.version
    );
END;
CREATE TRIGGER product_deleted AFTER DELETE ON product BEGIN
    INSERT INTO product_change (kind, product_id, version) VALUES (4, OLD.id, OLD.version);
END";

/// `merged` is the number of stock adjustments in one update of a product.
const UP_POSTGRESQL: &str = "
CREATE OR REPLACE FUNCTION product_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change_log (kind, product_ids, versions)
    SELECT kind, array_agg(id ORDER BY id, version), array_agg(version ORDER BY id, version)
    FROM (
        SELECT kind, id, last_version - merged + step AS version,
            row_number() OVER (PARTITION BY kind ORDER BY id, step) - 1 AS ordinal
        FROM (
            SELECT id, after.version AS last_version, CASE
                WHEN after.name = before.name AND after.price = before.price
                    AND (after.amount <> before.amount OR after.version - before.version BETWEEN 2 AND 1000)
                THEN 3 ELSE 2
            END AS kind, CASE
                WHEN after.name = before.name AND after.price = before.price
                    AND after.version - before.version BETWEEN 2 AND 1000
                THEN after.version - before.version ELSE 1
            END AS merged
            FROM after JOIN before USING (id)
        ) AS updated, generate_series(1, merged) AS step
    ) AS numbered
    GROUP BY kind, ordinal / 1000 ORDER BY kind, ordinal / 1000;
    RETURN NULL;
END
$$";

const DOWN_POSTGRESQL: &str = "
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
$$";
