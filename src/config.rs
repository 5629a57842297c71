//! All settings: types, defaults, environment variables, help texts and validation.
//!
//! The precedence is defaults < TOML file < environment < flags. clap reads the environment and the flags.
//! [`with_files`] makes the files' values clap's defaults, so that clap also validates them.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};
use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

mod access;
mod files;
mod limits;
mod metrics;
mod origin;
mod rate;
mod secret;
mod time;

pub use access::AccessConfig;
pub use files::{FileSources, unknown_variables, with_files};
pub use limits::LimitsConfig;
pub use metrics::{Buckets, OperationNames};
pub use secret::Secret;

/// The settings of the server and of the other commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// TOML file with settings, named like the flags but with underscores (`database_wait = "5s"`)
    #[arg(long, global = true, env = "STOCKMETER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Address and port to listen on; port 0 selects a free port
    #[arg(long, global = true, env = "STOCKMETER_LISTEN", value_name = "ADDR:PORT")]
    #[arg(default_value = "127.0.0.1:8000", value_parser = parse_address)]
    pub listen: SocketAddr,

    /// Database to use: `sqlite://FILE`, `postgres://…` or `postgresql://…`
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "sqlite://stockmeter.db")]
    pub database_url: Secret,

    /// Replica of a PostgreSQL database, for reads of products: `postgres://…` or `postgresql://…`. By default, reads ask
    /// `DATABASE_URL`
    #[arg(long, global = true, env = "DATABASE_READ_URL", value_name = "URL", hide_env_values = true)]
    pub database_read_url: Option<Secret>,

    /// Maximum time that a read waits until the replica has the client's own writes; then it asks the primary
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_READ_WAIT", value_name = "TIME")]
    #[arg(default_value = "100ms", value_parser = time::parse)]
    pub database_read_wait: Duration,

    /// Maximum number of pooled database connections, 1 to 1000 (on SQLite, only lists and other long reads
    /// use them)
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_CONNECTIONS", value_name = "N")]
    #[arg(default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,

    /// Maximum time to wait at startup until the database accepts connections
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_WAIT", value_name = "TIME")]
    #[arg(default_value = "60s", value_parser = time::parse)]
    pub database_wait: Duration,

    /// Maximum time that a request waits for a free database connection before it fails with status 503
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "3s", value_parser = time::parse_positive)]
    pub database_acquire_timeout: Duration,

    /// Maximum time that PostgreSQL may spend on one statement
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_STATEMENT_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "10s", value_parser = time::parse_positive)]
    pub database_statement_timeout: Duration,

    /// Reject updates and deletions without an expected version (If-Match) with status 428
    #[arg(long, global = true, env = "STOCKMETER_REQUIRE_IF_MATCH", value_name = "BOOL")]
    #[arg(default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    pub require_if_match: bool,

    /// Time for which responses to requests with an Idempotency-Key are kept, at least 1s
    #[arg(long, global = true, env = "STOCKMETER_IDEMPOTENCY_RETENTION", value_name = "TIME")]
    #[arg(default_value = "24h", value_parser = time::parse_retention)]
    pub idempotency_retention: Duration,

    /// Maximum number of concurrent subscriptions to changes; further ones fail with status 503
    #[arg(long, global = true, env = "STOCKMETER_SUBSCRIPTIONS", value_name = "N", default_value = "10000")]
    pub subscriptions: usize,

    /// Time for which changes are kept for subscribers that reconnect, at least 1s
    #[arg(long, global = true, env = "STOCKMETER_CHANGES_RETENTION", value_name = "TIME")]
    #[arg(default_value = "10m", value_parser = time::parse_retention)]
    pub changes_retention: Duration,

    /// Maximum size of a request body, in bytes; larger bodies are rejected with status 413
    #[arg(long, global = true, env = "STOCKMETER_BODY_LIMIT", value_name = "BYTES")]
    #[arg(default_value = "10485760")]
    pub body_limit: usize,

    /// Maximum size of a CSV or NDJSON upload, in bytes; uploads are buffered in the temporary directory
    /// (TMPDIR)
    #[arg(long, global = true, env = "STOCKMETER_IMPORT_LIMIT", value_name = "BYTES")]
    #[arg(default_value = "1073741824")]
    pub import_limit: u64,

    /// Maximum duration of a request that uploads a CSV or NDJSON file
    #[arg(long, global = true, env = "STOCKMETER_IMPORT_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "15m", value_parser = time::parse_positive)]
    pub import_timeout: Duration,

    /// Maximum size of a GraphQL document, in bytes
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_BYTES", value_name = "BYTES")]
    #[arg(default_value = "16384")]
    pub graphql_bytes: usize,

    /// Maximum nesting depth of the fields in a GraphQL document, with fragments expanded
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_DEPTH", value_name = "N", default_value = "40")]
    pub graphql_depth: usize,

    /// Maximum cost of a GraphQL document. A root field costs 250, any other field 1, multiplied by the sizes
    /// of the enclosing pages. Each filter, order or count that may scan all products adds 5000
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_COST", value_name = "N", default_value = "50000")]
    pub graphql_cost: usize,

    /// Maximum number of values in the variables of a GraphQL request, counted once for each use of the
    /// variable
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_VALUES", value_name = "N", default_value = "50000")]
    pub graphql_values: usize,

    /// Maximum number of root fields in a GraphQL document
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_ROOT_FIELDS", value_name = "N")]
    #[arg(default_value = "100")]
    pub graphql_root_fields: usize,

    /// Maximum number of aliases in a GraphQL document
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_ALIASES", value_name = "N", default_value = "200")]
    pub graphql_aliases: usize,

    /// Maximum number of directives in a GraphQL document
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_DIRECTIVES", value_name = "N")]
    #[arg(default_value = "50")]
    pub graphql_directives: usize,

    /// Maximum number of GraphQL requests in one body; 1 disables arrays of requests
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_BATCH", value_name = "N", default_value = "1")]
    pub graphql_batch: usize,

    /// Maximum time to execute a GraphQL query or mutation
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "20s", value_parser = time::parse_positive)]
    pub graphql_timeout: Duration,

    /// Allow GraphQL clients to query the schema (introspection)
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_INTROSPECTION", value_name = "BOOL")]
    #[arg(default_value = "true", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graphql_introspection: bool,

    /// Maximum number of concurrent API requests; file uploads have a separate limit, a quarter of this one.
    /// Requests above the limit fail with status 503
    #[arg(long, global = true, env = "STOCKMETER_CONCURRENT_REQUESTS", value_name = "N")]
    #[arg(default_value = "1024", value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrent_requests: u32,

    /// Maximum time to receive a request body (otherwise status 408); the response must start within twice this
    /// time (otherwise status 503)
    #[arg(long, global = true, env = "STOCKMETER_REQUEST_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "30s", value_parser = time::parse_positive)]
    pub request_timeout: Duration,

    /// Origins whose web pages may call the server (CORS), separated by commas; `*` allows any origin
    #[arg(long, global = true, env = "STOCKMETER_CORS_ORIGINS", value_name = "ORIGIN,…")]
    #[arg(value_delimiter = ',', value_parser = origin::parse)]
    pub cors_origins: Vec<HeaderValue>,

    /// Further request headers that these pages may send, separated by commas; the usual ones are always allowed
    #[arg(long, global = true, env = "STOCKMETER_CORS_HEADERS", value_name = "NAME,…")]
    #[arg(value_delimiter = ',', value_parser = parse_header_name)]
    pub cors_headers: Vec<HeaderName>,

    /// Maximum time without traffic before a connection is closed, unless a request on it is being processed
    #[arg(long, global = true, env = "STOCKMETER_IDLE_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "75s", value_parser = time::parse_positive)]
    pub idle_timeout: Duration,

    /// Time to keep serving after SIGTERM or Ctrl-C while reporting "not ready", so that load balancers stop
    /// sending requests
    #[arg(long, global = true, env = "STOCKMETER_SHUTDOWN_DELAY", value_name = "TIME")]
    #[arg(default_value = "0s", value_parser = time::parse)]
    pub shutdown_delay: Duration,

    /// Maximum time for running requests to finish after the shutdown delay
    #[arg(long, global = true, env = "STOCKMETER_SHUTDOWN_GRACE", value_name = "TIME")]
    #[arg(default_value = "10s", value_parser = time::parse)]
    pub shutdown_grace: Duration,

    /// Separate address and port for /metrics and /health; the main address then serves /health but not
    /// /metrics
    #[arg(long, global = true, env = "STOCKMETER_METRICS_LISTEN", value_name = "ADDR:PORT")]
    #[arg(value_parser = parse_address)]
    pub metrics_listen: Option<SocketAddr>,

    /// Time between collections of the system metrics, at least 100ms
    #[arg(long, global = true, env = "STOCKMETER_METRICS_COLLECTION_INTERVAL", value_name = "TIME")]
    #[arg(default_value = "10s", value_parser = time::parse_interval)]
    pub metrics_collection_interval: Duration,

    /// Bucket bounds of `http_request_duration_seconds`, in seconds
    #[arg(long, global = true, env = "STOCKMETER_HTTP_DURATION_BUCKETS", value_name = "SECONDS,…")]
    #[arg(default_value = "0.1,0.3,0.5,1,2,5,10")]
    pub http_duration_buckets: Buckets,

    /// Bucket bounds of `http_request_size_bytes` and `http_response_size_bytes`, in bytes
    #[arg(long, global = true, env = "STOCKMETER_HTTP_SIZE_BUCKETS", value_name = "BYTES,…")]
    #[arg(default_value = "100,500,1000,5000,10000")]
    pub http_size_buckets: Buckets,

    /// Time between counts of products and stock for the metrics, at least 100ms; each count scans all products
    #[arg(long, global = true, env = "STOCKMETER_CATALOG_COLLECTION_INTERVAL", value_name = "TIME")]
    #[arg(default_value = "60s", value_parser = time::parse_interval)]
    pub catalog_collection_interval: Duration,

    /// GraphQL operation names to show in metrics, separated by commas, at most 330; all others count as
    /// `_OTHER`
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_OPERATION_NAMES", value_name = "NAME,…")]
    pub graphql_operation_names: Option<OperationNames>,

    /// Log level (error, warn, info, debug or trace), also by module, such as `warn,stockmeter=debug`
    #[arg(long, global = true, env = "STOCKMETER_LOG", value_name = "FILTER")]
    #[arg(default_value = "info", value_parser = parse_log)]
    pub log: String,

    /// Log one line for each request, with level info
    #[arg(long, global = true, env = "STOCKMETER_ACCESS_LOG", value_name = "BOOL")]
    #[arg(default_value = "true", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub access_log: bool,

    /// Log format; `auto` is text on a terminal and JSON otherwise
    #[arg(long, global = true, env = "STOCKMETER_LOG_FORMAT", value_name = "FORMAT", default_value = "auto")]
    pub log_format: LogFormat,

    /// Settings of the access control.
    #[command(flatten)]
    pub access: AccessConfig,

    /// Settings of the limits.
    #[command(flatten)]
    pub limits: LimitsConfig,
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise
    Auto,
    /// Human-readable text
    Text,
    /// One JSON object per line
    Json,
}

fn parse_header_name(text: &str) -> Result<HeaderName, String> {
    text.trim().parse().map_err(|_| "must be the name of a header, such as X-Tenant".to_owned())
}

/// Parses an address to listen on. Resolves a host name.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let example = "must be an address and a port, such as 127.0.0.1:8000, or 0.0.0.0:8000 for all networks";
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.starts_with(':') || !text.contains(':') {
        return Err(example.to_owned());
    }
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {example}"))?;
    addresses.next().ok_or_else(|| example.to_owned())
}

/// Parses a level, or levels by module.
fn parse_log(text: &str) -> Result<String, String> {
    let is_level = |level: &str| level.parse::<LevelFilter>().is_ok();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let level = part.split_once('=').map_or(part, |(_, level)| level);
        if !is_level(level) {
            return Err(format!("`{level}` is not a level: use error, warn, info, debug, trace or off"));
        }
    }
    Ok(text.to_owned())
}
