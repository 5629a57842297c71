//! The table `product`, and where its generated ids come from.
//!
//! A generated id is above every id below 2^52 that was ever used, also by a client and also when the
//! product is gone. Ids from 2^52 on are the clients' alone, so that none of them can use up the rest.

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
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The checks repeat the ranges of the value types, against whoever writes past the server.
        let table = Table::create()
            .table(Product::Table)
            .col(
                ColumnDef::new(Product::Id)
                    .big_integer()
                    .not_null()
                    .primary_key()
                    .check(Expr::col(Product::Id).between(1, 9_007_199_254_740_991_i64)),
            )
            .col(ColumnDef::new(Product::Name).text().not_null())
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
            .take();
        manager.create_table(table).await?;
        manager.get_connection().execute_unprepared(id_source(manager.get_database_backend())).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Product::Table).take()).await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            manager.get_connection().execute_unprepared("DROP TABLE product_id").await?;
        }
        Ok(())
    }
}

/// PostgreSQL has sequences; SQLite gets a one-row table, kept by a trigger.
fn id_source(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "CREATE SEQUENCE product_id AS bigint MAXVALUE 4503599627370495 OWNED BY product.id"
    } else {
        "CREATE TABLE product_id (last integer NOT NULL);
         INSERT INTO product_id VALUES (0);
         CREATE TRIGGER product_id_used AFTER INSERT ON product WHEN NEW.id < 4503599627370496 BEGIN
             UPDATE product_id SET last = NEW.id WHERE last < NEW.id;
         END"
    }
}
