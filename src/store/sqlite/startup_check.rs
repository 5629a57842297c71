//! Checks of the file at startup: whether it is damaged, and whether it can be written.

use std::{
    mem,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};
use tracing::{debug, info};

use super::{
    connection::{self, Access},
    write_transaction,
};
use crate::store::{StoreError, url::SqliteFile};

/// Maximum time to search for damage. A larger file is searched in part.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// Interval at which the locks of another process are tested.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Opens and checks the file. Waits for the locks of another process, up to `wait`.
///
/// # Errors
/// Returns an error if the file is damaged or cannot be written.
pub(super) fn check(file: &SqliteFile, wait: Duration) -> Result<(), StoreError> {
    match find_damage(&open_writable(file, wait)?)? {
        None => Ok(()),
        Some(damage) => Err(StoreError::InvalidData(
            format!("the file is damaged, restore it from a backup: {damage}").into(),
        )),
    }
}

/// Searches the file for damage, for a short time. Returns `None` if none was found.
pub(super) fn find_damage(connection: &Connection) -> Result<Option<String>, StoreError> {
    let (stop, stopped) = mpsc::channel::<()>();
    let interrupt = connection.get_interrupt_handle();
    let timer = thread::spawn(move || {
        if stopped.recv_timeout(CHECK_TIME) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let result = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(stop);
    drop(timer.join());
    match result {
        Ok(result) if result == "ok" => Ok(None),
        Ok(damage) => Ok(Some(damage)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            debug!("the file is large and was searched for damage only in part");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a connection that can write. Logs once if it has to wait.
fn open_writable(file: &SqliteFile, wait: Duration) -> Result<Connection, StoreError> {
    let start = Instant::now();
    let mut is_reported = false;
    loop {
        let remaining = wait.saturating_sub(start.elapsed());
        match try_open(file, remaining.min(RETRY_INTERVAL)) {
            Err(error) if is_busy(&error) && !remaining.is_zero() => {
                if !mem::replace(&mut is_reported, true) {
                    let seconds = remaining.as_secs();
                    info!("waiting for another process that is using the database, giving up in {seconds} s");
                }
            }
            result => return Ok(result?),
        }
    }
}

fn try_open(file: &SqliteFile, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    // The first connection also sets the journal mode, which the file keeps.
    let connection = connection::open_within(&file.path, Access::Write, file.create, busy_timeout)?;
    write_transaction::begin(&connection)?;
    write_transaction::roll_back(&connection)?;
    Ok(connection)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
