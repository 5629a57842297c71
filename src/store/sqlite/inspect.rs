//! Inspects the file without changing it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, version};
use rustix::fs::{Access, access};

use super::startup_check;
use crate::store::{
    StoreError,
    inspect::{Inspection, ReadOnly, SELECT_MIGRATIONS, SchemaState},
    url::SqliteFile,
};

const HAS_MIGRATIONS: &str = "SELECT 1 FROM sqlite_schema WHERE name = 'seaql_migrations'";

pub(in crate::store) fn inspect(file: &SqliteFile) -> Result<Inspection, StoreError> {
    let connection = open(&file.path)?;
    let damage = startup_check::find_damage(&connection)?;
    let has_migrations = connection.query_row(HAS_MIGRATIONS, [], |_| Ok(())).optional()?.is_some();
    let applied = if has_migrations {
        let mut select = connection.prepare(SELECT_MIGRATIONS)?;
        select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>>>()?
    } else {
        Vec::new()
    };
    Ok(Inspection {
        version: format!("SQLite {}", version()),
        schema: SchemaState::of(&applied),
        read_only: access(&file.path, Access::WRITE_OK).err().map(|error| ReadOnly::Other(error.to_string())),
        damage,
        clock: None,
        max_connections: None,
    })
}

/// Opens the file for reading. If no server has it open, SQLite is not to create the files of its log.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let parameter = if Path::new(&log).exists() { "mode=ro" } else { "immutable=1" };
    let name = path.to_str().ok_or_else(|| StoreError::unavailable("the name of the file is not UTF-8"))?;
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    Ok(Connection::open_with_flags(format!("file:{name}?{parameter}"), flags)?)
}
