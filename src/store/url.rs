//! Parses URLs of databases. Error messages must not repeat the URL, because it may contain a password.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::percent_decode_str;

use super::postgres::{self, Servers};

/// The parsed URL of the database. Its display form contains no password.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(SqliteFile),
    PostgreSql(Servers),
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
    /// End of a sentence whose subject is the setting.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(location) = text.strip_prefix("sqlite:") {
            return parse_sqlite(location.strip_prefix("//").unwrap_or(location)).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgres::url::parse(text).map(Self::PostgreSql);
        }
        Err("must start with sqlite://, postgres:// or postgresql://".to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "SQLite in {}", file.path.display()),
            Self::PostgreSql(servers) => write!(f, "PostgreSQL at {servers}"),
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
        .map_err(|_| "is not a valid SQLite URL: the file name is not UTF-8")?;
    if path.is_empty() || path.contains(":memory:") || query.contains("mode=memory") {
        return Err("must name a file, such as sqlite://stockmeter.db: \
                    in-memory databases are not supported"
            .to_owned());
    }
    let create = match query {
        "" | "mode=rwc" => true,
        "mode=rw" => false,
        _ => {
            return Err("has unsupported parameters: for SQLite, use only mode=rw or mode=rwc".to_owned());
        }
    };
    Ok(SqliteFile { path: PathBuf::from(path.as_ref()), create })
}
