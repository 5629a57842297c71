//! Creates the table `idempotency_key`, which stores responses to requests that clients may repeat.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum IdempotencyKey {
    Table,
    Key,
    Fingerprint,
    Answer,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(IdempotencyKey::Table)
            .col(ColumnDef::new(IdempotencyKey::Key).text().not_null().primary_key())
            .col(ColumnDef::new(IdempotencyKey::Fingerprint).blob().not_null())
            .col(ColumnDef::new(IdempotencyKey::Answer).text().not_null())
            .col(ColumnDef::new(IdempotencyKey::CreatedAt).big_integer().not_null())
            .take();
        manager.create_table(table).await?;
        // The server uses this index to delete expired keys.
        let index = Index::create()
            .name("idempotency_key_created_at")
            .table(IdempotencyKey::Table)
            .col(IdempotencyKey::CreatedAt)
            .take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(IdempotencyKey::Table).take()).await
    }
}
