//! Parses `DATABASE_URL`. Error messages must not repeat the URL, because it may contain a password.

use std::{fmt, str::FromStr};

use sea_orm::sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use tracing::subscriber::NoSubscriber;

/// The parsed URL of the database. Its display form contains no password.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(Box<SqliteConnectOptions>),
    PostgreSql(Box<PgConnectOptions>),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("sqlite:") {
            let options: SqliteConnectOptions =
                text.parse().map_err(|error| format!("DATABASE_URL is not a valid SQLite URL: {error}"))?;
            let query = text.split_once('?').map_or("", |(_, query)| query);
            let file = options.get_filename();
            let name = file.to_string_lossy();
            let in_memory = query.contains("mode=memory")
                || name.contains(":memory:")
                || name.starts_with("file:sqlx-in-memory");
            if in_memory || file.as_os_str().is_empty() {
                return Err("DATABASE_URL must name a file, such as sqlite://stockmeter.db: \
                            in-memory databases are not supported"
                    .to_owned());
            }
            // The rusqlite connections use only the file name, not the other parameters of the URL.
            if query.split('&').any(|option| !["", "mode=rw", "mode=rwc"].contains(&option)) {
                return Err(
                    "DATABASE_URL has unsupported parameters: for SQLite, use only mode=rw or mode=rwc"
                        .to_owned(),
                );
            }
            return Ok(Self::Sqlite(Box::new(options)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // Logging is disabled, because sqlx logs unknown parameters, which may be part of a password.
            let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || text.parse());
            let options: PgConnectOptions =
                // sqlx's message may repeat part of the URL.
                parsed.map_err(|_| {
                    "DATABASE_URL is not a valid PostgreSQL URL: \
                     expected postgresql://user:password@host:5432/database"
                })?;
            // An unescaped `/`, `?` or `#` in a password ends the host, so the `@` is after the host.
            let after_host = text.split_once("://").and_then(|(_, rest)| rest.split_once(['/', '?', '#']));
            if after_host.is_some_and(|(_, rest)| rest.contains('@')) {
                return Err(
                    "DATABASE_URL has an @ after the host: write /, ? and # in a password as %2F, %3F and %23"
                        .to_owned(),
                );
            }
            return Ok(Self::PostgreSql(Box::new(options)));
        }
        Err("DATABASE_URL must start with sqlite://, postgres:// or postgresql://".to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(options) => write!(f, "SQLite in {}", options.get_filename().display()),
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
