//! The `stockmeter` binary: parses the command line and runs the chosen command.

use std::{env, io, path::PathBuf, process::ExitCode, sync::Arc, thread};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use clap_complete::Shell;
use stockmeter::{
    catalog::Catalog,
    cli::{
        backup::{self, backup, restore},
        database::{MigrateCommand, Schema, migrate, with_store},
        doctor, healthcheck,
        import_export::{self, FileArg},
        serve::serve,
        settings,
        token::{self, TokenCommand},
    },
    config::{self, Config},
    domain::OnConflict,
    graphql, logging, server,
    store::Store,
    telemetry,
};

/// mimalloc is faster than the system's allocator, and builds in seconds.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Help text after the settings: the notation of values, and environment variables that are not in
/// [`Config`].
const AFTER_HELP: &str = "TIME is a number with a unit: 500ms, 10s, 5m, 24h. BOOL is true or false.\n\n\
    OpenTelemetry: set OTEL_EXPORTER_OTLP_ENDPOINT to also send metrics and traces to a collector (http/protobuf). \
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and the other standard variables are supported.\n\n\
    Exit codes: 0 success, 1 failure, 2 invalid flags or settings.\n\n\
    Threads: TOKIO_WORKER_THREADS sets the number of threads that serve requests (default: CPU cores minus one, at least \
    one). Long-running work has its own threads, one per core.";

/// Tokio's variable for the number of threads. Tokio does not read it if the runtime builder sets that
/// number.
const WORKER_THREADS_VAR: &str = "TOKIO_WORKER_THREADS";

/// Product inventory server with REST, GraphQL and Prometheus metrics
#[derive(Parser)]
#[command(version, arg_required_else_help = false, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Run the server with example products in a temporary database, which is deleted at the end; ignores `DATABASE_URL`
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default)
    Serve,
    /// Apply, revert or list schema migrations
    Migrate {
        #[command(subcommand)]
        command: Option<MigrateCommand>,
    },
    /// Import products from a CSV or NDJSON file; if any line is invalid, nothing is imported
    Import {
        #[command(flatten)]
        source: FileArg,
        /// Replace products whose id already exists, instead of rejecting the file
        #[arg(long)]
        merge: bool,
    },
    /// Export all products to a CSV or NDJSON file
    Export {
        #[command(flatten)]
        target: FileArg,
    },
    /// Copy the whole database to a new file, also while the server is running, and print a digest of the content
    Backup {
        /// Path of the new file; `-` is standard output
        file: PathBuf,
    },
    /// Copy a backup into a new or empty database, of any kind, and print the digest of the content
    Restore {
        /// Path of the backup; `-` is standard input
        file: PathBuf,
    },
    /// Create, list and end the tokens with which clients authenticate
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Print the settings and where they come from, as a TOML file; secrets are hidden
    Config {
        /// Print a file with all settings, their meaning and their defaults instead
        #[arg(long)]
        example: bool,
    },
    /// Print completions for a shell: `stockmeter completions bash >/etc/bash_completion.d/stockmeter`
    Completions {
        /// Shell that reads them
        shell: Shell,
    },
    /// Print the manual page: `stockmeter man >/usr/local/share/man/man1/stockmeter.1`
    Man,
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI document
    Openapi,
    /// Exit with status 0 if the server at the configured address is ready
    Healthcheck,
    /// Check the settings, the database and the machine, and say what to do; changes nothing, exits with status 1 if a
    /// check has failed
    Doctor,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
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

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let workers = worker_threads()?;
    // A single thread does not need the work-stealing scheduler.
    let mut runtime = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(workers).thread_name("requests").enable_all().build();
    Ok(runtime.map_err(|error| format!("cannot start the runtime: {error}"))?.block_on(future))
}

/// Returns the number of threads that serve requests: one fewer than cores, at least one, unless
/// [`WORKER_THREADS_VAR`] is set.
///
/// One core remains free for the database, the kernel and the [`background_runtime`]. If workers compete with
/// them, tasks move between threads, and a request takes a fifth more time.
///
/// [`background_runtime`]: stockmeter::background_runtime
fn worker_threads() -> Result<usize, String> {
    let Some(value) = env::var_os(WORKER_THREADS_VAR).filter(|value| !value.is_empty()) else {
        return Ok(thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)));
    };
    let number = value.to_str().and_then(|value| value.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("{WORKER_THREADS_VAR} must be a whole number, at least 1"))
}

fn catalog(store: &Arc<dyn Store>, config: &Config) -> Catalog {
    Catalog::new(store.clone(), server::catalog_options(config))
}
