//! Every setting once: its type, default, environment name, help text and check.
//!
//! Defaults < TOML file < environment < flags. clap reads the last two; [`with_file`] turns the file's
//! values into clap's defaults, so that all of them take the same way in.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use axum::http::HeaderValue;
use clap::{Args, Command, ValueEnum};

/// What the server can be told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// TOML file with any of these settings, named like the flags with underscores (`database_wait = "5s"`)
    #[arg(long, global = true, env = "STOCKMETER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, global = true, env = "STOCKMETER_LISTEN", value_name = "ADDR:PORT")]
    #[arg(default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,

    /// `sqlite://FILE`, `postgres://…` or `postgresql://…`
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "sqlite://stockmeter.db")]
    pub database_url: Secret,

    /// Most connections to the database (on SQLite: those that read lists; one reads single products, and one writes)
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_CONNECTIONS", value_name = "N")]
    #[arg(default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,

    /// How long to wait at start for a database that does not answer yet
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_WAIT", value_name = "TIME")]
    #[arg(default_value = "60s", value_parser = humantime::parse_duration)]
    pub database_wait: Duration,

    /// How long a request waits for a free connection before it gets a 503
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "3s", value_parser = humantime::parse_duration)]
    pub database_acquire_timeout: Duration,

    /// How long PostgreSQL may work on one statement
    #[arg(long, global = true, env = "STOCKMETER_DATABASE_STATEMENT_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "10s", value_parser = humantime::parse_duration)]
    pub database_statement_timeout: Duration,

    /// Refuse changes and deletions that do not tell the version they are meant for (If-Match) with a 428
    #[arg(long, global = true, env = "STOCKMETER_REQUIRE_IF_MATCH", value_name = "BOOL")]
    #[arg(default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    pub require_if_match: bool,

    /// How long the answer to a request with an Idempotency-Key is kept
    #[arg(long, global = true, env = "STOCKMETER_IDEMPOTENCY_RETENTION", value_name = "TIME")]
    #[arg(default_value = "24h", value_parser = retention)]
    pub idempotency_retention: Duration,

    /// Most subscriptions to changes at a time; one more gets a 503
    #[arg(long, global = true, env = "STOCKMETER_SUBSCRIPTIONS", value_name = "N", default_value = "10000")]
    pub subscriptions: usize,

    /// How long changes are kept for subscribers that come back
    #[arg(long, global = true, env = "STOCKMETER_CHANGES_RETENTION", value_name = "TIME")]
    #[arg(default_value = "10m", value_parser = retention)]
    pub changes_retention: Duration,

    /// Largest request body in bytes; a larger one gets a 413
    #[arg(long, global = true, env = "STOCKMETER_BODY_LIMIT", value_name = "BYTES")]
    #[arg(default_value = "10485760")]
    pub body_limit: usize,

    /// Largest CSV or NDJSON file that can be imported in a request, in bytes; it waits in the folder for temporary
    /// files (TMPDIR) until it is whole
    #[arg(long, global = true, env = "STOCKMETER_IMPORT_LIMIT", value_name = "BYTES")]
    #[arg(default_value = "1073741824")]
    pub import_limit: u64,

    /// How long such a request may take in all
    #[arg(long, global = true, env = "STOCKMETER_IMPORT_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "15m", value_parser = humantime::parse_duration)]
    pub import_timeout: Duration,

    /// Largest GraphQL document, in bytes
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_GRAPHQL_BYTES",
        value_name = "BYTES",
        default_value = "16384"
    )]
    pub graphql_bytes: usize,

    /// Deepest GraphQL document: fields in fields, with fragments spread out
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_DEPTH", value_name = "N", default_value = "40")]
    pub graphql_depth: usize,

    /// Costliest GraphQL document: 250 for each field of the root, 5000 for what may have to look at all products
    /// (filter, order, count), 1 for any other field, times the size of the page
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_COST", value_name = "N", default_value = "50000")]
    pub graphql_cost: usize,

    /// Most values in a GraphQL request's variables, each counted as often as its variable is used
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_VALUES", value_name = "N", default_value = "50000")]
    pub graphql_values: usize,

    /// Most fields of the root in a GraphQL document
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_GRAPHQL_ROOT_FIELDS",
        value_name = "N",
        default_value = "100"
    )]
    pub graphql_root_fields: usize,

    /// Most aliases in a GraphQL document
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_ALIASES", value_name = "N", default_value = "200")]
    pub graphql_aliases: usize,

    /// Most directives in a GraphQL document
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_GRAPHQL_DIRECTIVES",
        value_name = "N",
        default_value = "50"
    )]
    pub graphql_directives: usize,

    /// Most GraphQL requests in one body; 1 refuses arrays of them
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_BATCH", value_name = "N", default_value = "1")]
    pub graphql_batch: usize,

    /// How long GraphQL may work on an answer
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "20s", value_parser = humantime::parse_duration)]
    pub graphql_timeout: Duration,

    /// Whether GraphQL clients may ask for the schema
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_INTROSPECTION", value_name = "BOOL")]
    #[arg(default_value = "true", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graphql_introspection: bool,

    /// Most requests to the catalog at a time; one more gets a 503
    #[arg(long, global = true, env = "STOCKMETER_CONCURRENT_REQUESTS", value_name = "N")]
    #[arg(default_value = "1024", value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrent_requests: u32,

    /// How long a request's body may take to arrive (else a 408), and its answer to begin after that (a 503)
    #[arg(long, global = true, env = "STOCKMETER_REQUEST_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "30s", value_parser = humantime::parse_duration)]
    pub request_timeout: Duration,

    /// Origins whose pages may use the server from a browser (CORS), separated by commas; * is any
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_CORS_ORIGINS",
        value_name = "ORIGIN,…",
        value_delimiter = ','
    )]
    #[arg(value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,

    /// How long a connection may go without a byte in either direction before it is closed, unless the server is
    /// working on an answer
    #[arg(long, global = true, env = "STOCKMETER_IDLE_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "75s", value_parser = humantime::parse_duration)]
    pub idle_timeout: Duration,

    /// How long the server goes on after SIGTERM or Ctrl-C, no longer ready, for those who send it requests to notice
    #[arg(long, global = true, env = "STOCKMETER_SHUTDOWN_DELAY", value_name = "TIME")]
    #[arg(default_value = "0s", value_parser = humantime::parse_duration)]
    pub shutdown_delay: Duration,

    /// How long requests may go on after that
    #[arg(long, global = true, env = "STOCKMETER_SHUTDOWN_GRACE", value_name = "TIME")]
    #[arg(default_value = "10s", value_parser = humantime::parse_duration)]
    pub shutdown_grace: Duration,

    /// Address and port for /metrics and /health alone, which are then not at the main one (health is at both)
    #[arg(long, global = true, env = "STOCKMETER_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    /// What who reads /metrics has to show: `Authorization: Bearer TOKEN`
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_METRICS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub metrics_token: Option<Secret>,

    /// How often the system metrics are collected
    #[arg(long, global = true, env = "STOCKMETER_METRICS_COLLECTION_INTERVAL", value_name = "TIME")]
    #[arg(default_value = "10s", value_parser = interval)]
    pub metrics_collection_interval: Duration,

    /// Buckets of `http_request_duration_seconds`, in seconds
    #[arg(long, global = true, env = "STOCKMETER_HTTP_DURATION_BUCKETS", value_name = "SECONDS,…")]
    #[arg(default_value = "0.1,0.3,0.5,1,2,5,10")]
    pub http_duration_buckets: Buckets,

    /// Buckets of `http_request_size_bytes` and `http_response_size_bytes`, in bytes
    #[arg(long, global = true, env = "STOCKMETER_HTTP_SIZE_BUCKETS", value_name = "BYTES,…")]
    #[arg(default_value = "100,500,1000,5000,10000")]
    pub http_size_buckets: Buckets,

    /// How often products and stock are counted for the metrics, which looks at all of them
    #[arg(long, global = true, env = "STOCKMETER_CATALOG_COLLECTION_INTERVAL", value_name = "TIME")]
    #[arg(default_value = "60s", value_parser = interval)]
    pub catalog_collection_interval: Duration,

    /// Names of GraphQL operations that the metrics tell apart, at most 330, separated by commas; the others are `_OTHER`
    #[arg(long, global = true, env = "STOCKMETER_GRAPHQL_OPERATION_NAMES", value_name = "NAME,…")]
    pub graphql_operation_names: Option<OperationNames>,

    /// What to log: a level (error, warn, info, debug, trace) or levels by module: warn,stockmeter=debug
    #[arg(long, global = true, env = "STOCKMETER_LOG", value_name = "FILTER")]
    #[arg(default_value = "info")]
    pub log: String,

    /// How to log: auto is text on a terminal, JSON elsewhere
    #[arg(long, global = true, env = "STOCKMETER_LOG_FORMAT", value_name = "FORMAT", default_value = "auto")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// A text that must not appear in a log.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Upper bounds of a histogram: finite, above 0, each above the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets(Vec<f64>);

impl Buckets {
    /// The bounds.
    pub fn bounds(&self) -> &[f64] {
        &self.0
    }
}

impl FromStr for Buckets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = text
            .split(',')
            .map(|bound| bound.trim().parse::<f64>().map_err(|_| format!("`{bound}` is not a number")))
            .collect::<Result<Vec<_>, _>>()?;
        let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || bounds.iter().any(|bound| !bound.is_finite() || *bound <= 0.0) {
            return Err("buckets must be above 0 and each above the one before".to_owned());
        }
        Ok(Self(bounds))
    }
}

/// Names of GraphQL operations, no more than a metric has series for.
#[derive(Clone, Debug)]
pub struct OperationNames(Vec<String>);

impl OperationNames {
    /// A metric has 2,000 series before it overflows. Without a name there are 12, other names make 6 (three types, ok
    /// or error: what is refused has no name), and so does each name.
    pub const MOST: usize = (2000 - 12 - 6) / 6;

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for OperationNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.len() > Self::MOST {
            return Err(format!(
                "{} names are more than the {} that metrics have room for",
                names.len(),
                Self::MOST
            ));
        }
        Ok(Self(names))
    }
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = text == "*"
        || text.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
    let value = HeaderValue::from_str(text).ok().filter(|_| is_origin);
    value.ok_or_else(|| "an origin is * or like https://shop.example.com, without a path".to_owned())
}

fn retention(text: &str) -> Result<Duration, String> {
    let retention = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if retention < Duration::from_secs(1) {
        return Err("must be at least 1s".to_owned());
    }
    Ok(retention)
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_millis(100) {
        return Err("must be at least 100ms".to_owned());
    }
    Ok(interval)
}

/// Takes the settings of the TOML file, if one is named, as the command's defaults.
///
/// # Errors
/// The file can't be read, is no TOML, or has a key that is no setting.
pub fn with_file(mut command: Command) -> Result<Command, String> {
    let Some(path) = command
        .clone()
        .ignore_errors(true)
        .try_get_matches()
        .ok()
        .and_then(|matches| matches.get_one::<PathBuf>("config").cloned())
    else {
        return Ok(command);
    };
    let name = path.display();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("can't read {name}: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Not its whole text: that shows the line, which may hold a password.
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("{name} is no TOML: line {line}: {}", error.message())
    })?;
    for (key, value) in table {
        if key == "config" || !command.get_arguments().any(|arg| arg.get_id() == key.as_str()) {
            return Err(format!("{name}: `{key}` is no setting; `stockmeter --help` lists them"));
        }
        // Not `to_string` of a string: that has quotes around it.
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = match &value {
            toml::Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            other => text(other),
        };
        command = command.mut_arg(key, |arg| arg.default_value(value));
    }
    Ok(command)
}

/// The environment's variables that start like ours but are none: perhaps a spelling mistake, perhaps
/// somebody else's (Kubernetes sets `STOCKMETER_PORT` beside a service of our name), so no error.
pub fn unknown_variables(command: &Command) -> Vec<String> {
    let is_setting =
        |name: &str| command.get_arguments().any(|arg| arg.get_env().is_some_and(|env| env == name));
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("STOCKMETER_") && !is_setting(name)).collect()
}
