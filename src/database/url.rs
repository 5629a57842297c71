//! Reads `DATABASE_URL`. No message here may contain the URL: it may hold a password.

use std::{fmt, str::FromStr};

use sea_orm::sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use tracing::subscriber::NoSubscriber;

/// Where the database is.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(Box<SqliteConnectOptions>),
    /// A server.
    PostgreSql(Box<PgConnectOptions>),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("sqlite:") {
            let options: SqliteConnectOptions =
                text.parse().map_err(|error| format!("DATABASE_URL is no SQLite URL: {error}"))?;
            let query = text.split_once('?').map_or("", |(_, query)| query);
            let file = options.get_filename();
            let name = file.to_string_lossy();
            let in_memory = query.contains("mode=memory")
                || name.contains(":memory:")
                || name.starts_with("file:sqlx-in-memory");
            if in_memory || file.as_os_str().is_empty() {
                return Err("DATABASE_URL must name a file: SQLite in memory would forget everything \
                            (sqlite://stockmeter.db)"
                    .to_owned());
            }
            // What opens the file past sqlx knows none of them.
            if query.split('&').any(|option| !["", "mode=rw", "mode=rwc"].contains(&option)) {
                return Err("DATABASE_URL has options behind its file, of which SQLite takes none here \
                            (sqlite://stockmeter.db)"
                    .to_owned());
            }
            return Ok(Self::Sqlite(Box::new(options)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // sqlx logs parameters that it does not know, and with them whatever was written in their place.
            let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || text.parse());
            let options: PgConnectOptions =
                // Its message may repeat a part of the URL.
                parsed.map_err(|_| "DATABASE_URL is no PostgreSQL URL: postgresql://user:password@host:5432/database")?;
            // A / or ? in a password ends the host there; the rest becomes the database's name or a parameter.
            let behind_host = text.split_once("://").and_then(|(_, rest)| rest.split_once(['/', '?', '#']));
            if behind_host.is_some_and(|(_, rest)| rest.contains('@')) {
                return Err(
                    "DATABASE_URL has an @ behind its host: write /, ? and # in a password as %2F, %3F, %23"
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
