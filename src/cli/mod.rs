//! The command line: parses it and runs the chosen command.

use std::{error::Error, process::ExitCode, sync::Arc};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};

use crate::{
    catalog::Catalog,
    config::{self, Config, FileSources},
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
mod stop_signals;
mod token;
mod transfer_error;

use arguments::{Cli, Command};
use backup::{backup, restore};
use database::{MigrateCommand, Schema, migrate, with_store};
use output::print;
use runtime::block_on;
use serve::serve;
use token::TokenCommand;

/// Runs the command that the process's arguments choose.
pub fn run() -> ExitCode {
    let (error, code) = match config::with_files(Cli::command()) {
        Ok((cli, files)) => match run_command(cli, &files) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error.to_string(), ExitCode::FAILURE),
        },
        // As clap exits if a flag or a variable is invalid.
        Err(error) => (error, ExitCode::from(2)),
    };
    eprintln!("error: {error}");
    code
}

fn run_command(cli: clap::Command, files: &FileSources) -> Result<(), Box<dyn Error>> {
    let matches = cli.get_matches();
    let Cli { command, demo, config } = Cli::from_arg_matches(&matches)?;
    if demo && !matches!(command, None | Some(Command::Serve)) {
        Cli::command()
            .error(ErrorKind::ArgumentConflict, "--demo runs the server: leave the command out")
            .exit();
    }
    match command.unwrap_or(Command::Serve) {
        Command::Config { example: true } => print(&settings::example())?,
        Command::Config { example: false } => print(&settings::effective(&matches, files))?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "stockmeter", &mut script);
            print(&String::from_utf8_lossy(&script))?;
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print(&String::from_utf8_lossy(&page))?;
        }
        Command::Schema => print(&graphql::sdl())?,
        Command::Openapi => {
            let document = server::document().to_pretty_json()?;
            print(&format!("{document}\n"))?;
        }
        Command::Healthcheck => healthcheck::run(config.listen)?,
        Command::Doctor => {
            let unknown = config::unknown_variables(&Cli::command());
            block_on(doctor::run(&config, &unknown))??;
        }
        Command::Serve => {
            let traces = telemetry::otlp_tracer_provider()?;
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
            print(&block_on(migrate)??)?;
        }
        Command::Import { source, merge } => {
            let _log = logging::start(&config, None)?;
            let on_conflict = if merge { OnConflict::Replace } else { OnConflict::Reject };
            let url = server::database_url(&config)?.of_existing();
            let source = import_export::Source::open(source)?;
            block_on(with_store(url, &config, Schema::Require, async |store| {
                import_export::import(&catalog(store, &config), source, on_conflict).await
            }))??;
        }
        Command::Export { target } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config)?.of_existing();
            import_export::check_target(&target, &url)?;
            block_on(with_store(url, &config, Schema::Require, async |store| {
                import_export::export(&catalog(store, &config), &target).await
            }))??;
        }
        Command::Token { command } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config)?;
            // The first token may be created before the first start of the server.
            let creates = matches!(command, TokenCommand::Create { .. });
            let url = if creates { url } else { url.of_existing() };
            let text = block_on(with_store(url, &config, Schema::Migrate, async |store| {
                token::run(&**store, command).await
            }))??;
            print(&text)?;
        }
        Command::Backup { file } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config)?.of_existing();
            let digest = block_on(with_store(url, &config, Schema::Require, async |store| {
                backup(&**store, &file).await
            }))??;
            // Standard output may be the backup.
            if file.as_os_str() == "-" { eprint!("{digest}") } else { print(&digest)? }
        }
        Command::Restore { file } => {
            let _log = logging::start(&config, None)?;
            let url = server::database_url(&config)?;
            // The backup is verified before a database is created.
            let source = backup::Source::open(file)?;
            let digest = block_on(with_store(url, &config, Schema::Migrate, async |store| {
                restore(&**store, source).await
            }))??;
            print(&digest)?;
        }
    }
    Ok(())
}

fn catalog(store: &Arc<dyn Store>, config: &Config) -> Catalog {
    Catalog::new(store.clone(), server::catalog_options(config))
}
