//! Parses `DATABASE_URL`. Error messages must not repeat the URL, because it may contain a password.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::percent_decode_str;
use sea_orm::sqlx::postgres::PgConnectOptions;
use tracing::subscriber::NoSubscriber;

/// The parsed URL of the database. Its display form contains no password.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(SqliteFile),
    PostgreSql(Box<PgConnectOptions>),
}

/// File of a SQLite database.
#[derive(Clone)]
pub struct SqliteFile {
    pub(super) path: PathBuf,
    /// Whether a missing file is created.
    pub(super) create: bool,
}

impl DatabaseUrl {
    /// Returns a URL that does not create a missing SQLite file.
    #[must_use]
    pub fn of_existing(self) -> Self {
        match self {
            Self::Sqlite(file) => Self::Sqlite(SqliteFile { create: false, ..file }),
            server @ Self::PostgreSql(_) => server,
        }
    }

    /// Returns the SQLite file, or `None` for PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(file) => Some(&file.path),
            Self::PostgreSql(_) => None,
        }
    }

    /// Returns whether a path leads to a file of the database.
    pub fn contains_file(&self, path: &Path) -> bool {
        let Self::Sqlite(SqliteFile { path: database, .. }) = self else {
            return false;
        };
        let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let Some(found) = identity(path) else {
            return false;
        };
        ["", "-wal", "-shm"].into_iter().any(|suffix| {
            let mut file = database.clone().into_os_string();
            file.push(suffix);
            identity(Path::new(&file)) == Some(found)
        })
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(location) = text.strip_prefix("sqlite:") {
            return parse_sqlite(location.strip_prefix("//").unwrap_or(location)).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            check_postgres(text)?;
            // Logging is disabled, because sqlx logs unknown parameters, which may be part of a password.
            let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || text.parse());
            let options: PgConnectOptions =
                // sqlx's message may repeat part of the URL.
                parsed.map_err(|_| {
                    "DATABASE_URL is not a valid PostgreSQL URL: \
                     expected postgresql://user:password@host:5432/database"
                })?;
            if options.get_host().contains(',') {
                return Err("DATABASE_URL names several hosts: name one of them".to_owned());
            }
            // The URL's notation of an IPv6 address has brackets, which are not part of the address.
            let host = options.get_host();
            let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
            let options = match address {
                Some(address) => options.host(&address),
                None => options,
            };
            return Ok(Self::PostgreSql(Box::new(options)));
        }
        Err("DATABASE_URL must start with sqlite://, postgres:// or postgresql://".to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "SQLite in {}", file.path.display()),
            Self::PostgreSql(options) => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(f, "PostgreSQL at {host}:{port}")?;
                options.get_database().map_or(Ok(()), |name| write!(f, "/{name}"))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses the part of a SQLite URL after `sqlite://`: a file name and `?mode=rw` or `?mode=rwc`, the default.
fn parse_sqlite(location: &str) -> Result<SqliteFile, String> {
    let (path, query) = location.split_once('?').unwrap_or((location, ""));
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| "DATABASE_URL is not a valid SQLite URL: the file name is not UTF-8")?;
    if path.is_empty() || path.contains(":memory:") || query.contains("mode=memory") {
        return Err("DATABASE_URL must name a file, such as sqlite://stockmeter.db: \
                    in-memory databases are not supported"
            .to_owned());
    }
    let create = match query {
        "" | "mode=rwc" => true,
        "mode=rw" => false,
        _ => {
            return Err("DATABASE_URL has unsupported parameters: for SQLite, use only mode=rw or mode=rwc"
                .to_owned());
        }
    };
    Ok(SqliteFile { path: PathBuf::from(path.as_ref()), create })
}

/// Parameters of a PostgreSQL URL that sqlx reads.
const POSTGRES_PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// Values of the parameter `sslmode`.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Checks what sqlx would ignore or misunderstand.
fn check_postgres(text: &str) -> Result<(), String> {
    if text.split('%').skip(1).any(|rest| !starts_with_hex_digits(rest)) {
        return Err("DATABASE_URL has a % that encodes no character: write % in a password as %25".to_owned());
    }
    // An unescaped `/`, `?` or `#` in a password ends the host, so the `@` is after the host.
    let after_host = text.split_once("://").and_then(|(_, rest)| rest.split_once(['/', '?', '#']));
    if after_host.is_some_and(|(_, rest)| rest.split_once('?').map_or(rest, |(path, _)| path).contains('@')) {
        return Err(
            "DATABASE_URL has an @ after the host: write /, ? and # in a password as %2F, %3F and %23"
                .to_owned(),
        );
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if ["sslmode", "ssl-mode"].contains(&name) && !SSL_MODES.contains(&value) {
            return Err(format!("DATABASE_URL has an unknown {name}: use one of {}", SSL_MODES.join(", ")));
        }
        if !POSTGRES_PARAMETERS.contains(&name) {
            let hint =
                if name.to_lowercase().starts_with("ssl") { ", for TLS use sslmode=require" } else { "" };
            return Err(format!("DATABASE_URL has the unknown parameter `{name}`{hint}"));
        }
    }
    Ok(())
}

/// Returns whether the text starts with the two digits of a percent-encoded byte.
fn starts_with_hex_digits(text: &str) -> bool {
    text.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
