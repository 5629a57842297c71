//! Creates the table `product_change`, the log of recent changes. Triggers write to it, so that every change
//! of a product is logged.
//!
//! On PostgreSQL, a log position is a transaction id and a sequence number. With sequence numbers alone,
//! readers would miss changes of a transaction that commits late. Once all transactions up to an id have
//! finished, no change with this or a lower id can appear. The table is unlogged to make writes faster. A
//! crash of PostgreSQL empties it, and readers detect that their position no longer exists.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql =
            if manager.get_database_backend() == DbBackend::Postgres { UP_POSTGRESQL } else { UP_SQLITE };
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql =
            if manager.get_database_backend() == DbBackend::Postgres { DOWN_POSTGRESQL } else { DOWN_SQLITE };
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}

/// Kinds: 0 sentinel (marks a position only), 1 created, 2 updated, 3 only the amount changed, 4 deleted.
const UP_POSTGRESQL: &str = "
CREATE UNLOGGED TABLE product_change (
    xact bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    kind smallint NOT NULL,
    product_id bigint,
    version bigint,
    PRIMARY KEY (xact, seq)
);
CREATE FUNCTION product_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change (kind, product_id, version) SELECT 1, id, version FROM after ORDER BY id;
    RETURN NULL;
END
$$;
CREATE FUNCTION product_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change (kind, product_id, version)
    SELECT CASE
        WHEN after.name = before.name AND after.price = before.price AND after.amount <> before.amount THEN 3
        ELSE 2
    END, id, after.version
    FROM after JOIN before USING (id) ORDER BY id;
    RETURN NULL;
END
$$;
CREATE FUNCTION product_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change (kind, product_id, version) SELECT 4, id, version FROM before ORDER BY id;
    RETURN NULL;
END
$$;
CREATE TRIGGER product_created AFTER INSERT ON product
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION product_created();
CREATE TRIGGER product_updated AFTER UPDATE ON product
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION product_updated();
CREATE TRIGGER product_deleted AFTER DELETE ON product
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION product_deleted()";

const DOWN_POSTGRESQL: &str = "
DROP TRIGGER product_created ON product;
DROP TRIGGER product_updated ON product;
DROP TRIGGER product_deleted ON product;
DROP FUNCTION product_created;
DROP FUNCTION product_updated;
DROP FUNCTION product_deleted;
DROP TABLE product_change";

/// SQLite has only one writer at a time, so sequence numbers alone are in commit order.
const UP_SQLITE: &str = "
CREATE TABLE product_change (
    xact integer NOT NULL DEFAULT 0,
    seq integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    at integer NOT NULL DEFAULT (unixepoch()),
    kind integer NOT NULL,
    product_id integer,
    version integer
);
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

const DOWN_SQLITE: &str = "
DROP TRIGGER product_created;
DROP TRIGGER product_updated;
DROP TRIGGER product_deleted;
DROP TABLE product_change";
