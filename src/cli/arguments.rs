//! Flags and commands.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::{database::MigrateCommand, import_export::FileArg, token::TokenCommand};
use crate::config::Config;

/// Help text after the settings: the notation of values, and environment variables that are not in
/// [`Config`].
const AFTER_HELP: &str = "TIME is a number with a unit: 500ms, 10s, 5m, 24h. BOOL is true or false.\n\n\
    OpenTelemetry: set OTEL_EXPORTER_OTLP_ENDPOINT to also send metrics and traces to a collector (http/protobuf). \
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and the other standard variables are supported.\n\n\
    Exit codes: 0 success, 1 failure, 2 invalid flags or settings.\n\n\
    Threads: TOKIO_WORKER_THREADS sets the number of threads that serve requests (default: CPU cores minus one, at least \
    one). Long-running work has its own threads, one per core.";

/// Product inventory server with REST, GraphQL and Prometheus metrics
#[derive(Parser)]
#[command(version, arg_required_else_help = false, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Run the server with example products in a temporary database, which is deleted at the end; ignores `DATABASE_URL`
    #[arg(long)]
    pub demo: bool,
    #[command(flatten)]
    pub config: Config,
}

#[derive(Subcommand)]
pub enum Command {
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
