//! Creates the table `product` and the generator of its ids.
//!
//! A generated id is greater than all ids below 2^52 that were ever used. These include ids chosen by clients
//! and ids of deleted products. Ids of 2^52 or more are never generated, so clients that choose them do not
//! exhaust the generator.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Product {
    Table,
    Id,
    Name,
    Price,
    Amount,
    Version,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgresql = manager.get_database_backend() == DbBackend::Postgres;
        let mut name = ColumnDef::new(Product::Name).text().not_null().take();
        if postgresql {
            // With this collation, PostgreSQL sorts by code point like SQLite, in every locale.
            name.extra("COLLATE \"C\"");
        }
        // The checks repeat the ranges of the value types, because writes may bypass the server.
        let table = Table::create()
            .table(Product::Table)
            .col(
                ColumnDef::new(Product::Id)
                    .big_integer()
                    .not_null()
                    .primary_key()
                    .check(Expr::col(Product::Id).between(1, 9_007_199_254_740_991_i64)),
            )
            .col(name)
            .col(
                ColumnDef::new(Product::Price)
                    .big_integer()
                    .not_null()
                    .check(Expr::col(Product::Price).between(0, 99_999_999_999_999_i64)),
            )
            .col(
                ColumnDef::new(Product::Amount)
                    .integer()
                    .not_null()
                    .check(Expr::col(Product::Amount).between(0, i32::MAX)),
            )
            .col(ColumnDef::new(Product::Version).big_integer().not_null().default(0))
            .take();
        manager.create_table(table).await?;
        let ids = if postgresql { IDS_POSTGRESQL } else { IDS_SQLITE };
        manager.get_connection().execute_unprepared(ids).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Product::Table).take()).await?;
        let ids = if manager.get_database_backend() == DbBackend::Postgres {
            "DROP FUNCTION product_id_used"
        } else {
            "DROP TABLE product_id"
        };
        manager.get_connection().execute_unprepared(ids).await?;
        Ok(())
    }
}

/// Creates the sequence, and a function that advances it to the highest id chosen by clients. The function
/// fails if fewer than `wanted` ids would remain.
///
/// Sequences are not transactional. If the sequence were decreased, it would generate duplicate ids.
/// `nextval` never decreases it, but `setval` can. `setval` is therefore used only under a lock. The jumps
/// must be much longer than the number of ids that concurrent transactions generate. The lock is released
/// before the transaction ends, because it could otherwise deadlock with row locks.
const IDS_POSTGRESQL: &str = "
CREATE SEQUENCE product_id AS bigint MAXVALUE 4503599627370495 OWNED BY product.id;
CREATE FUNCTION product_id_used(highest bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last bigint := coalesce(pg_sequence_last_value('product_id'), 0);
BEGIN
    IF greatest(last, highest) + wanted > 4503599627370495 THEN
        RAISE SQLSTATE '2200H' USING MESSAGE = 'no product ids are left';
    END IF;
    IF highest - last > 1000 THEN
        PERFORM pg_advisory_lock(7264819302);
        BEGIN
            last := coalesce(pg_sequence_last_value('product_id'), 0);
            IF highest - last > 1000 THEN
                last := setval('product_id', highest);
            END IF;
        EXCEPTION WHEN query_canceled OR OTHERS THEN
            PERFORM pg_advisory_unlock(7264819302);
            RAISE;
        END;
        PERFORM pg_advisory_unlock(7264819302);
    END IF;
    WHILE last < highest LOOP
        last := nextval('product_id');
    END LOOP;
    RETURN last;
END
$$";

/// Creates a table whose only row holds the highest id ever used below 2^52, and a trigger that updates it.
/// SQLite has only one writer at a time, so this needs no lock.
const IDS_SQLITE: &str = "
CREATE TABLE product_id (last integer NOT NULL);
INSERT INTO product_id VALUES (0);
CREATE TRIGGER product_id_used AFTER INSERT ON product WHEN NEW.id < 4503599627370496 BEGIN
    UPDATE product_id SET last = NEW.id WHERE last < NEW.id;
END";
