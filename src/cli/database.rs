//! `stockmeter migrate`, and the opening of the database for other commands.

use std::{fmt, sync::Arc};

use clap::Subcommand;

use super::stop_signals::StopSignals;
use crate::{
    config::Config,
    server::{self, StartError},
    store::{self, DatabaseUrl, Store},
};

/// Handling of the migrations.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum MigrateCommand {
    /// Apply all pending migrations (the default)
    Up,
    /// Revert the last migration and delete its data
    Down,
    /// List all migrations and whether they are applied
    Status,
}

/// Handling of a schema that is not current.
#[derive(Clone, Copy, Debug)]
pub enum Schema {
    /// Apply the pending migrations.
    Migrate,
    /// Fail if migrations are pending.
    Require,
}

/// Opens the database, runs `work` on it, closes it, and returns the result of `work`. A signal stops `work`, which then
/// removes its temporary files.
///
/// # Errors
/// Returns a message if the database cannot be opened, its schema is not as required, or `work` fails or is stopped.
pub async fn with_store<T, E: fmt::Display>(
    url: DatabaseUrl,
    config: &Config,
    schema: Schema,
    work: impl AsyncFnOnce(&Arc<dyn Store>) -> Result<T, E>,
) -> Result<T, String> {
    let store = server::open_store(&url, config).await.map_err(|error| error.to_string())?;
    let checked = match schema {
        Schema::Migrate => store::migrate_up(&*store, config.database_wait).await,
        Schema::Require => store::check_migrated(&*store, config.database_wait).await,
    };
    checked.map_err(|error| error.to_string())?;
    let mut signals = StopSignals::listen()?;
    let result = tokio::select! {
        result = work(&store) => result.map_err(|error| error.to_string()),
        () = signals.next() => Err("stopped by a signal".to_owned()),
    };
    store.close().await;
    result
}

/// Applies, reverts or lists migrations. Returns the list.
///
/// # Errors
/// [`StartError`].
pub async fn migrate(config: Config, command: MigrateCommand) -> Result<String, StartError> {
    let url = server::database_url(&config)?;
    let url = match command {
        MigrateCommand::Up => url,
        MigrateCommand::Down | MigrateCommand::Status => url.of_existing(),
    };
    let store = server::open_store(&url, &config).await?;
    let migrated = match command {
        MigrateCommand::Up => store::migrate_up(&*store, config.database_wait).await,
        MigrateCommand::Down => store::migrate_down(&*store, config.database_wait).await,
        MigrateCommand::Status => Ok(()),
    };
    let migrations = match migrated {
        Ok(()) => store::migrations(&*store, config.database_wait).await,
        Err(error) => Err(error),
    };
    store.close().await;
    let lines = migrations?.into_iter().map(|migration| {
        let state = if migration.applied { "applied" } else { "pending" };
        format!("{state} {}\n", migration.name)
    });
    Ok(lines.collect())
}
