//! The command line: parses it and runs the chosen command.

use std::{io, process::ExitCode, sync::Arc};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};

use crate::{
    catalog::Catalog,
    config::{self, Config},
    domain::OnConflict,
    graphql, logging, server,
    store::Store,
    telemetry,
};

mod arguments;
mod backup;
mod database;
mod demo;
mod doctor;
mod healthcheck;
mod import_export;
mod input;
mod output;
mod progress;
mod runtime;
mod serve;
mod settings;
mod token;
mod transfer_error;

use arguments::{Cli, Command};
use backup::{backup, restore};
use database::{MigrateCommand, Schema, migrate, with_store};
use runtime::block_on;
use serve::serve;
use token::TokenCommand;

/// Runs the command that the process's arguments choose.
pub fn run() -> ExitCode {
    match run_command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_command() -> Result<(), String> {
    let (cli, files) = config::with_files(Cli::command())?;
    let matches = cli.get_matches();
    let Cli { command, demo, config } = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    if demo && !matches!(command, None | Some(Command::Serve)) {
        Cli::command()
            .error(ErrorKind::ArgumentConflict, "--demo runs the server: leave the command out")
            .exit();
    }
    match command.unwrap_or(Command::Serve) {
        Command::Config { example: true } => print!("{}", settings::example()),
        Command::Config { example: false } => print!("{}", settings::effective(&matches, &files)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "stockmeter", &mut io::stdout());
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command())
                .render(&mut io::stdout())
                .map_err(|error| error.to_string())?;
        }
        Command::Schema => print!("{}", graphql::sdl()),
        Command::Openapi => {
            println!("{}", server::document().to_pretty_json().map_err(|error| error.to_string())?);
        }
        Command::Healthcheck => healthcheck::run(config.listen)?,
        Command::Doctor => {
            let unknown = config::unknown_variables(&Cli::command());
            block_on(doctor::run(&config, &unknown))??;
        }
        Command::Serve => {
            let traces = telemetry::otlp_tracer_provider().map_err(|error| error.to_string())?;
            let _log = logging::start(&config, traces.as_ref())?;
            let unknown = config::unknown_variables(&Cli::command());
            if !unknown.is_empty() {
                tracing::warn!(
                    variables = unknown.join(" "),
                    "unknown environment variables; see --help for all settings"
                );
            }
            block_on(serve(config, demo))??;
            if let Some(Err(error)) = traces.map(|traces| traces.shutdown()) {
                tracing::warn!(%error, "cannot send the last traces to the collector");
            }
        }
        Command::Migrate { command } => {
            let _log = logging::start(&config, None)?;
            let migrate = migrate(config, command.unwrap_or(MigrateCommand::Up));
            block_on(migrate)?.map_err(|error| error.to_string())?;
        }
        Command::Import { source, merge } => {
            let _log = logging::start(&config, None)?;
            let on_conflict = if merge { OnConflict::Replace } else { OnConflict::Reject };
            let url = server::database_url(&config).map_err(|error| error.to_string())?.of_existing();
            let source = import_export::Source::open(source).map_err(|error| error.to_string())?;
            block_on(with_store(url, &config, Schema::Require, async |store| {
                import_export::import(&catalog(store, &config), source, on_conflict).await
            }))??;
        }
        Command::Export { target } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config).map_err(|error| error.to_string())?.of_existing();
            import_export::check_target(&target, &url).map_err(|error| error.to_string())?;
            block_on(with_store(url, &config, Schema::Require, async |store| {
                import_export::export(&catalog(store, &config), &target).await
            }))??;
        }
        Command::Token { command } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config).map_err(|error| error.to_string())?;
            // The first token may be created before the first start of the server.
            let creates = matches!(command, TokenCommand::Create { .. });
            let url = if creates { url } else { url.of_existing() };
            block_on(with_store(url, &config, Schema::Migrate, async |store| {
                token::run(&**store, command).await
            }))??;
        }
        Command::Backup { file } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config).map_err(|error| error.to_string())?.of_existing();
            block_on(with_store(url, &config, Schema::Require, async |store| {
                backup(&**store, &file).await
            }))??;
        }
        Command::Restore { file } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config).map_err(|error| error.to_string())?;
            // The backup is verified before a database is created.
            let source = backup::Source::open(file).map_err(|error| error.to_string())?;
            block_on(with_store(url, &config, Schema::Migrate, async |store| {
                restore(&**store, source).await
            }))??;
        }
    }
    Ok(())
}

fn catalog(store: &Arc<dyn Store>, config: &Config) -> Catalog {
    Catalog::new(store.clone(), server::catalog_options(config))
}
