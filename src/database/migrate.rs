//! Brings the schema to the newest version, also when many copies of the server start at once.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{Database, Kind};

/// Why the schema can't be changed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer server was here.
    #[error(
        "the database has a newer schema ({0}) than this version of Stockmeter knows: run the newer version"
    )]
    Newer(String),
    /// The database would not do it.
    #[error("can't migrate the database: {0}")]
    Database(#[from] DbErr),
}

/// A schema change, and whether the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its name.
    pub name: String,
    /// Whether it is in the database.
    pub applied: bool,
}

/// Any number that no other user of the database locks.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7264819301)";

impl Database {
    /// Applies all changes that are missing, all or none.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrate_up(&self) -> Result<(), MigrateError> {
        let alone = self.lock_schema().await?;
        Migrator::up(&alone, None).await?;
        Ok(alone.commit().await?)
    }

    /// Takes the last change back.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrate_down(&self) -> Result<(), MigrateError> {
        let alone = self.lock_schema().await?;
        Migrator::down(&alone, Some(1)).await?;
        Ok(alone.commit().await?)
    }

    /// All known changes in order.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrations(&self) -> Result<Vec<MigrationStatus>, MigrateError> {
        let alone = self.lock_schema().await?;
        let applied = Migrator::get_migration_models(&alone).await?;
        alone.commit().await?;
        let known = Migrator::migrations().into_iter().map(|migration| migration.name().to_owned());
        Ok(known
            .map(|name| MigrationStatus { applied: applied.iter().any(|row| row.version == name), name })
            .collect())
    }

    /// A transaction that no other copy of the server has at the same time, on a schema that we know.
    async fn lock_schema(&self) -> Result<DatabaseTransaction, MigrateError> {
        let (alone, _place) = self.0.writes.begin().await?;
        if self.kind() == Kind::PostgreSql {
            // A change may take longer than a request's statement, and so may the wait for the others.
            alone.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
            // What is there already is none of a log's business.
            alone.execute_unprepared("SET LOCAL client_min_messages = warning").await?;
            alone.execute_unprepared(LOCK).await?;
        }
        let known = Migrator::migrations();
        let applied = Migrator::get_migration_models(&alone).await?;
        match applied.into_iter().find(|row| !known.iter().any(|one| one.name() == row.version)) {
            Some(newer) => Err(MigrateError::Newer(newer.version)),
            None => Ok(alone),
        }
    }
}
