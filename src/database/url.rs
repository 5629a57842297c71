//! Reads `DATABASE_URL`. No message here may contain the URL: it may hold a password.

use std::{fmt, str::FromStr};

use sea_orm::sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

/// Where the database is.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(Box<SqliteConnectOptions>),
    /// A server, with the URL that SeaORM takes.
    PostgreSql(Box<PgConnectOptions>, String),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("sqlite:") {
            let options: SqliteConnectOptions =
                text.parse().map_err(|error| format!("DATABASE_URL is no SQLite URL: {error}"))?;
            let file = text.trim_start_matches("sqlite:").trim_start_matches("//");
            if file.starts_with(":memory:") || file.contains("mode=memory") || file.is_empty() {
                return Err("DATABASE_URL must name a file: SQLite in memory would forget everything \
                            (sqlite://stockmeter.db)"
                    .to_owned());
            }
            return Ok(Self::Sqlite(Box::new(options)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options =
                text.parse().map_err(|error| format!("DATABASE_URL is no PostgreSQL URL: {error}"))?;
            return Ok(Self::PostgreSql(Box::new(options), text.to_owned()));
        }
        Err("DATABASE_URL must start with sqlite://, postgres:// or postgresql://".to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(options) => write!(f, "SQLite in {}", options.get_filename().display()),
            Self::PostgreSql(options, _) => {
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
