//! The command line.

use std::{env, pin::pin, process::ExitCode, thread};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use stockmeter::{
    catalog::{Catalog, OnConflict},
    cli::{
        healthcheck,
        import_export::{self, Place},
    },
    config::{self, Config},
    graphql, logging,
    server::{self, Server, StartError},
    telemetry,
};

/// jemalloc, because it is fast and can tell what it holds.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is no setting of ours, but heeded.
const ENVIRONMENT: &str = "Environment of OpenTelemetry: with OTEL_EXPORTER_OTLP_ENDPOINT, metrics and traces are sent to \
    a collector as well (http/protobuf). OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and the others \
    are heeded as OpenTelemetry specifies them.\n\n\
    Environment of Tokio: TOKIO_WORKER_THREADS is how many threads serve requests, by default one fewer than there are \
    cores. What may take long has as many as there are cores besides.";

/// Tokio's own setting.
const WORKERS: &str = "TOKIO_WORKER_THREADS";

/// A product-inventory server: REST and GraphQL over one store, measured the Prometheus way.
#[derive(Parser)]
#[command(version, arg_required_else_help = false, after_help = ENVIRONMENT)]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Task {
    /// Serves REST, GraphQL and metrics (this is what happens without a command)
    Serve,
    /// Changes the database's schema
    Migrate {
        #[command(subcommand)]
        direction: Option<Direction>,
    },
    /// Stores all products of a CSV or NDJSON file, or none
    Import {
        #[command(flatten)]
        from: Place,
        /// Replace products whose id is taken, instead of refusing the file
        #[arg(long)]
        merge: bool,
    },
    /// Writes all products to a CSV or NDJSON file
    Export {
        #[command(flatten)]
        to: Place,
    },
    /// Prints the GraphQL schema
    Schema,
    /// Prints the OpenAPI document
    Openapi,
    /// Exits with 0 when the server on the configured address is ready
    Healthcheck,
}

#[derive(Clone, Copy, Subcommand)]
enum Direction {
    /// Applies all changes that are missing (the default)
    Up,
    /// Takes the last change back, with its data
    Down,
    /// Lists the changes and whether the database has them
    Status,
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
    let matches = config::with_file(Cli::command())?.get_matches();
    let Cli { command, config } = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    match command.unwrap_or(Task::Serve) {
        Task::Schema => print!("{}", graphql::sdl()),
        Task::Openapi => {
            println!("{}", server::document().to_pretty_json().map_err(|error| error.to_string())?);
        }
        Task::Healthcheck => healthcheck::run(config.listen)?,
        Task::Serve => {
            let traces = telemetry::traces_by_otlp().map_err(|error| error.to_string())?;
            logging::start(&config, traces.as_ref())?;
            let unknown = config::unknown_variables(&Cli::command());
            if !unknown.is_empty() {
                tracing::warn!(variables = unknown.join(" "), "not settings of Stockmeter; see --help");
            }
            block_on(serve(config))?.map_err(|error| error.to_string())?;
            if let Some(Err(error)) = traces.map(|traces| traces.shutdown()) {
                tracing::warn!(%error, "the last traces could not be pushed");
            }
        }
        Task::Migrate { direction } => {
            logging::start(&config, None)?;
            let migrate = migrate(config, direction.unwrap_or(Direction::Up));
            block_on(migrate)?.map_err(|error| error.to_string())?;
        }
        Task::Import { from, merge } => {
            logging::start(&config, None)?;
            let taken = if merge { OnConflict::Replace } else { OnConflict::Reject };
            block_on(async {
                let catalog = open_catalog(&config).await.map_err(|error| error.to_string())?;
                import_export::import(&catalog, &from, taken).await.map_err(|error| error.to_string())
            })??;
        }
        Task::Export { to } => {
            logging::start(&config, None)?;
            block_on(async {
                let catalog = open_catalog(&config).await.map_err(|error| error.to_string())?;
                import_export::export(&catalog, &to).await.map_err(|error| error.to_string())
            })??;
        }
    }
    Ok(())
}

fn block_on<T>(task: impl Future<Output = T>) -> Result<T, String> {
    let workers = workers()?;
    // A thread that is alone need not be ready to hand its tasks to others.
    let mut runtime = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(workers).thread_name("requests").enable_all().build();
    Ok(runtime.map_err(|error| format!("can't start: {error}"))?.block_on(task))
}

/// One fewer than cores: the database, the kernel and what is done [`aside`] need one, too. Workers that compete with them hand
/// their tasks to and fro, and take a fifth more time for each.
///
/// [`aside`]: stockmeter::aside
fn workers() -> Result<usize, String> {
    let Some(wanted) = env::var_os(WORKERS) else {
        return Ok(thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)));
    };
    let number = wanted.to_str().and_then(|wanted| wanted.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("{WORKERS} must be a whole number from 1 on"))
}

async fn serve(config: Config) -> Result<(), StartError> {
    let mut stop = pin!(stop_signal());
    tokio::select! {
        // Listened for before anything begins; also while it waits for the database.
        biased;
        () = &mut stop => {}
        server = Server::start(config) => server?.run(stop).await,
    }
    Ok(())
}

/// Resolves on Ctrl-C or SIGTERM.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn open_catalog(config: &Config) -> Result<Catalog, StartError> {
    let database = server::open_database(config, None).await?;
    database.migrate_up().await?;
    Ok(Catalog::new(database, server::rules(config)))
}

async fn migrate(config: Config, direction: Direction) -> Result<(), StartError> {
    let database = server::open_database(&config, None).await?;
    match direction {
        Direction::Up => database.migrate_up().await?,
        Direction::Down => database.migrate_down().await?,
        Direction::Status => {}
    }
    for migration in database.migrations().await? {
        println!("{} {}", if migration.applied { "applied" } else { "missing" }, migration.name);
    }
    Ok(())
}
