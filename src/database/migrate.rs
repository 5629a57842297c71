//! Migrates the schema, also if several instances start at once.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{Database, Kind};

/// Why the schema can't be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer version of Stockmeter has migrated the database.
    #[error(
        "the database has a newer schema ({0}) than this version of Stockmeter supports: run a newer version"
    )]
    Newer(String),
    /// A statement failed.
    #[error("cannot migrate the database: {0}")]
    Database(#[from] DbErr),
}

/// A migration and whether it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    pub name: String,
    pub applied: bool,
}

/// Serializes migrations. The number is arbitrary, but not used for another lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7264819301)";

impl Database {
    /// Applies all pending migrations in one transaction.
    ///
    /// # Errors
    /// Returns a [`MigrateError`] if the schema is newer or a statement fails.
    pub async fn migrate_up(&self) -> Result<(), MigrateError> {
        let transaction = self.lock_schema().await?;
        Migrator::up(&transaction, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Reverts the last migration.
    ///
    /// # Errors
    /// Returns a [`MigrateError`] if the schema is newer or a statement fails.
    pub async fn migrate_down(&self) -> Result<(), MigrateError> {
        let transaction = self.lock_schema().await?;
        Migrator::down(&transaction, Some(1)).await?;
        Ok(transaction.commit().await?)
    }

    /// Returns all migrations in order.
    ///
    /// # Errors
    /// Returns a [`MigrateError`] if the schema is newer or a statement fails.
    pub async fn migrations(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let transaction = self.lock_schema().await?;
        let applied = Migrator::get_migration_models(&transaction).await?;
        transaction.commit().await?;
        let known = Migrator::migrations().into_iter().map(|migration| migration.name().to_owned());
        Ok(known
            .map(|name| MigrationStatus { applied: applied.iter().any(|row| row.version == name), name })
            .collect())
    }

    /// Begins a transaction that excludes migrations of other instances, and checks that all applied
    /// migrations are known.
    async fn lock_schema(&self) -> Result<DatabaseTransaction, MigrateError> {
        let (transaction, _permit) = self.0.writes.begin().await?;
        if self.kind() == Kind::PostgreSql {
            // A migration, or the wait for the lock, may take longer than the statement timeout of requests.
            transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
            // Suppress notices about objects that already exist.
            transaction.execute_unprepared("SET LOCAL client_min_messages = warning").await?;
            transaction.execute_unprepared(LOCK).await?;
        }
        let known = Migrator::migrations();
        let applied = Migrator::get_migration_models(&transaction).await?;
        match applied.into_iter().find(|row| !known.iter().any(|migration| migration.name() == row.version)) {
            Some(unknown) => Err(MigrateError::Newer(unknown.version)),
            None => Ok(transaction),
        }
    }
}
