//! Opens connections to the SQLite file.

use std::{fs::OpenOptions, io::ErrorKind, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, Result, config::DbConfig};

/// Access of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Size of the page cache of a connection, in KiB. It is small, because the operating system also caches the
/// file.
const CACHE_KIB: u32 = 4 << 10;

/// Maximum wait for a lock that another process holds on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum wait of a read for a lock, which is rare in WAL mode. It is short because it can block a thread of
/// the runtime.
const READ_BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// Size in bytes to which the log is cut once all of it is copied into the file. It may be longer while a read
/// is running.
const MAX_IDLE_LOG_BYTES: u32 = 16 << 20;

/// Number of prepared statements that a connection keeps.
const CACHED_STATEMENTS: usize = 64;

/// Opens a connection. The file must exist, unless `create` is set.
pub(super) fn open(file: &Path, access: Access, create: bool) -> Result<Connection> {
    let busy_timeout = match access {
        Access::Read => READ_BUSY_TIMEOUT,
        Access::Write => BUSY_TIMEOUT,
    };
    open_within(file, access, create, busy_timeout)
}

/// Opens a connection that waits for the locks of other processes up to `busy_timeout`, also while it is opened.
pub(super) fn open_within(
    file: &Path,
    access: Access,
    create: bool,
    busy_timeout: Duration,
) -> Result<Connection> {
    if create {
        create_private(file)?;
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Without this guarantee, SQLite prepares a statement again whenever a value of a range condition changes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A negative number is a size in KiB.
    connection.pragma_update(None, "cache_size", format!("-{CACHE_KIB}"))?;
    match access {
        Access::Read => connection.pragma_update(None, "query_only", "on")?,
        Access::Write => {
            connection.pragma_update(None, "journal_mode", "wal")?;
            // With FULL, a commit is on disk before it is acknowledged.
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", "on")?;
            connection.pragma_update(None, "journal_size_limit", MAX_IDLE_LOG_BYTES)?;
        }
    }
    Ok(connection)
}

/// Creates a missing file that only its owner can read and write. SQLite gives its log the same permissions.
fn create_private(file: &Path) -> Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match created {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
            Err(rusqlite::Error::SqliteFailure(code, Some(error.to_string())))
        }
        _ => Ok(()),
    }
}

/// Copies the log into the file and closes the connection. If no other connection is open, the file then
/// holds everything, and SQLite deletes the log.
pub(super) fn close(connection: Connection) -> Result<()> {
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.close().map_err(|(_, error)| error)?;
    if is_busy? {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    Ok(())
}
