//! Migrates the schema, even if several instances start at the same time.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use migration::{MigrationTrait, Migrator, MigratorTrait, seaql_migrations};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait, RuntimeErr,
    Statement, TransactionTrait, sqlx,
};
use tracing::info;

use super::{
    Kind, Store, StoreError,
    error::{LOCK_NOT_AVAILABLE, describe},
    postgres::connect::MAX_TIMEOUT_MILLIS,
    schema_check,
};

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
    /// Another session has not released its lock of a table in time.
    #[error("another session has locked a table of the database for more than {}", humantime::format_duration(*.0))]
    TableLocked(Duration),
    /// Migrations are pending, and the command does not apply them.
    #[error("the database has no schema or an older one: check DATABASE_URL, then run `stockmeter migrate`")]
    Pending,
    /// Tables or columns are missing, although all migrations are applied.
    #[error("the database is incomplete, restore it from a backup: {0}")]
    Incomplete(String),
    /// A statement failed.
    #[error("cannot migrate the database: {}", describe_statement_error(.0))]
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

/// Duration after which a wait is logged.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// Applies all pending migrations in one transaction.
///
/// # Errors
/// Returns a [`MigrateError`] if the schema is newer or incomplete, or a statement fails.
pub async fn migrate_up(store: &dyn Store, wait: Duration) -> Result<(), MigrateError> {
    let connection = store.schema_connection().await?;
    let migrate = async {
        if !within(wait, is_current(&connection)).await? {
            let transaction = lock_schema(store.kind(), &connection, wait).await?;
            Migrator::up(&transaction, None).await?;
            commit(transaction, &connection).await?;
        }
        let tables = within(wait, schema_check::check_tables(&connection, store.kind())).await?;
        tables.map_err(|error| MigrateError::Incomplete(describe_statement_error(&error)))
    };
    with_reported_wait(migrate, wait).await
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
    let migrate = async {
        let transaction = lock_schema(store.kind(), &connection, wait).await?;
        Migrator::down(&transaction, Some(1)).await?;
        commit(transaction, &connection).await
    };
    with_reported_wait(migrate, wait).await
}

/// Returns all migrations in order, and whether each is applied. Changes nothing.
///
/// # Errors
/// Returns a [`MigrateError`] if the schema is newer or a statement fails.
pub async fn migrations(store: &dyn Store, wait: Duration) -> Result<Vec<MigrationStatus>, MigrateError> {
    let connection = store.schema_connection().await?;
    let read = async {
        let transaction = lock_schema(store.kind(), &connection, wait).await?;
        let applied = Migrator::get_migration_models(&transaction).await?;
        // The library creates the table of migrations if it is missing.
        transaction.rollback().await?;
        Ok(applied)
    };
    let applied = with_reported_wait(read, wait).await?;
    let known = Migrator::migrations().into_iter().map(|migration| migration.name().to_owned());
    Ok(known
        .map(|name| MigrationStatus { applied: applied.iter().any(|row| row.version == name), name })
        .collect())
}

/// Checks that all migrations are applied. Changes nothing.
///
/// # Errors
/// Returns [`MigrateError::Pending`] if a migration is not applied, or the errors of [`migrations`].
pub async fn check_migrated(store: &dyn Store, wait: Duration) -> Result<(), MigrateError> {
    let connection = store.schema_connection().await?;
    if within(wait, is_current(&connection)).await? {
        return Ok(());
    }
    // A newer schema is an error of its own.
    migrations(store, wait).await?;
    Err(MigrateError::Pending)
}

/// Awaits reads that a lock of another session can block, up to a limit.
async fn within<T>(wait: Duration, read: impl Future<Output = T>) -> Result<T, MigrateError> {
    tokio::time::timeout(wait.max(SILENT_WAIT), read).await.map_err(|_| MigrateError::TableLocked(wait))
}

/// Awaits work that other sessions can block, and logs that it waits.
async fn with_reported_wait<T>(
    work: impl Future<Output = Result<T, MigrateError>>,
    wait: Duration,
) -> Result<T, MigrateError> {
    let mut work = pin!(work);
    let result = tokio::select! {
        biased;
        result = &mut work => result,
        () = tokio::time::sleep(SILENT_WAIT) => {
            info!("migrating the database, which may wait for other sessions that have locked it");
            work.await
        }
    };
    result.map_err(|error| match error {
        MigrateError::Statement(error) if is_lock_timeout(&error) => MigrateError::TableLocked(wait),
        error => error,
    })
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
        // 0 would disable the timeout.
        let lock_timeout = wait.as_millis().clamp(1, MAX_TIMEOUT_MILLIS);
        transaction.execute_unprepared(&format!("SET LOCAL lock_timeout = {lock_timeout}")).await?;
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
    connection: &DatabaseConnection,
) -> Result<(), MigrateError> {
    transaction.commit().await?;
    // On SQLite, a failed commit is reported here, because SeaORM's extension point cannot return it.
    connection.ping().await?;
    Ok(())
}

/// Returns PostgreSQL's error, or `None` for errors of other origin.
fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn describe_statement_error(error: &DbErr) -> String {
    sqlx_error(error).map_or_else(|| error.to_string(), describe)
}

fn is_lock_timeout(error: &DbErr) -> bool {
    let error = sqlx_error(error).and_then(sqlx::Error::as_database_error);
    error.is_some_and(|error| error.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}
