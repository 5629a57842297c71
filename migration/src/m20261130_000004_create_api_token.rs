//! Creates the table `api_token`, which stores the digests of API tokens.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum ApiToken {
    Table,
    Id,
    Name,
    Digest,
    Scopes,
    CreatedAt,
    ExpiresAt,
    RevokedAt,
    LastUsedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(ApiToken::Table)
            .col(ColumnDef::new(ApiToken::Id).text().not_null().primary_key())
            .col(ColumnDef::new(ApiToken::Name).text().not_null())
            .col(ColumnDef::new(ApiToken::Digest).blob().not_null())
            .col(ColumnDef::new(ApiToken::Scopes).text().not_null())
            .col(ColumnDef::new(ApiToken::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(ApiToken::ExpiresAt).big_integer())
            .col(ColumnDef::new(ApiToken::RevokedAt).big_integer())
            .col(ColumnDef::new(ApiToken::LastUsedAt).big_integer())
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ApiToken::Table).take()).await
    }
}
