//! Migrates the schema, even if several instances start at the same time.

use std::time::{Duration, Instant};

use migration::{MigrationTrait, Migrator, MigratorTrait, seaql_migrations};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Statement,
    TransactionTrait,
};
use tracing::info;

use super::{Kind, Store, StoreError};

/// Reason why the schema cannot be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer version of Stockmeter has migrated the database.
    #[error(
        "the database has a newer schema ({0}) than this version of Stockmeter supports: run a newer version"
    )]
    Newer(String),
    /// Another instance has not finished its migration in time.
    #[error("another instance has been migrating the database for more than {}", humantime::format_duration(*.0))]
    Locked(Duration),
    /// A statement failed.
    #[error("cannot migrate the database: {0}")]
    Statement(#[from] DbErr),
    /// No connection is available.
    #[error("cannot migrate the database: {0}")]
    Store(#[from] StoreError),
}

/// A migration and whether it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    pub name: String,
    pub applied: bool,
}

/// Tries to acquire the lock that allows only one migration at a time. The number is arbitrary, but no other
/// lock uses it.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7264819301)";

/// Pause between two attempts to acquire the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Applies all pending migrations in one transaction.
///
/// # Errors
/// Returns a [`MigrateError`] if the schema is newer or a statement fails.
pub async fn migrate_up(store: &dyn Store, wait: Duration) -> Result<(), MigrateError> {
    let connection = store.schema_connection().await?;
    if is_current(&connection).await {
        return Ok(());
    }
    let transaction = lock_schema(store.kind(), &connection, wait).await?;
    Migrator::up(&transaction, None).await?;
    commit(transaction, connection).await
}

/// Returns whether exactly the known migrations are applied. Needs no right to change the schema, which the server's
/// role may lack.
async fn is_current(connection: &DatabaseConnection) -> bool {
    // The table does not exist before the first migration.
    let Ok(applied) = seaql_migrations::Entity::find().all(connection).await else {
        return false;
    };
    let known = Migrator::migrations();
    let is_applied =
        |migration: &dyn MigrationTrait| applied.iter().any(|row| row.version == migration.name());
    applied.len() == known.len() && known.iter().all(|migration| is_applied(&**migration))
}

/// Reverts the last migration.
///
/// # Errors
/// Returns a [`MigrateError`] if the schema is newer or a statement fails.
pub async fn migrate_down(store: &dyn Store, wait: Duration) -> Result<(), MigrateError> {
    let connection = store.schema_connection().await?;
    let transaction = lock_schema(store.kind(), &connection, wait).await?;
    Migrator::down(&transaction, Some(1)).await?;
    commit(transaction, connection).await
}

/// Returns all migrations in order, and whether each is applied.
///
/// # Errors
/// Returns a [`MigrateError`] if the schema is newer or a statement fails.
pub async fn migrations(store: &dyn Store, wait: Duration) -> Result<Vec<MigrationStatus>, MigrateError> {
    let connection = store.schema_connection().await?;
    let transaction = lock_schema(store.kind(), &connection, wait).await?;
    let applied = Migrator::get_migration_models(&transaction).await?;
    commit(transaction, connection).await?;
    let known = Migrator::migrations().into_iter().map(|migration| migration.name().to_owned());
    Ok(known
        .map(|name| MigrationStatus { applied: applied.iter().any(|row| row.version == name), name })
        .collect())
}

/// Begins a transaction during which no other instance can migrate.
async fn lock_schema(
    kind: Kind,
    connection: &DatabaseConnection,
    wait: Duration,
) -> Result<DatabaseTransaction, MigrateError> {
    let transaction = connection.begin().await?;
    if kind == Kind::PostgreSql {
        // A migration or the wait for the lock may exceed the statement timeout of requests.
        transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        // This suppresses notices about objects that already exist.
        transaction.execute_unprepared("SET LOCAL client_min_messages = warning").await?;
        wait_for_lock(&transaction, wait).await?;
    }
    let known = Migrator::migrations();
    let applied = Migrator::get_migration_models(&transaction).await?;
    match applied.into_iter().find(|row| !known.iter().any(|migration| migration.name() == row.version)) {
        Some(unknown) => Err(MigrateError::Newer(unknown.version)),
        None => Ok(transaction),
    }
}

/// Waits until no other instance migrates the schema.
async fn wait_for_lock(transaction: &DatabaseTransaction, wait: Duration) -> Result<(), MigrateError> {
    let start = Instant::now();
    let try_lock = Statement::from_string(DbBackend::Postgres, LOCK);
    loop {
        let row = transaction.query_one_raw(try_lock.clone()).await?;
        if row.is_some_and(|row| row.try_get_by_index(0).unwrap_or(false)) {
            return Ok(());
        }
        if start.elapsed() >= wait {
            return Err(MigrateError::Locked(wait));
        }
        if start.elapsed() < LOCK_PAUSE {
            info!("waiting for another instance that is migrating the database");
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn commit(
    transaction: DatabaseTransaction,
    connection: DatabaseConnection,
) -> Result<(), MigrateError> {
    transaction.commit().await?;
    // On SQLite, a failed commit is reported here, because SeaORM's extension point cannot return it.
    connection.ping().await?;
    Ok(())
}
