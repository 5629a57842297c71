//! Checks of the file at startup: whether it is damaged, and whether it can be written.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};
use tracing::{debug, info};

use super::write_transaction;
use crate::store::StoreError;

/// Maximum time to search for damage. A larger file is searched in part.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// Checks the file. Waits for the write lock of another process, up to `wait`.
///
/// # Errors
/// Returns an error if the file is damaged or cannot be written.
pub(super) fn check(connection: &Connection, wait: Duration) -> Result<(), StoreError> {
    check_writable(connection, wait)?;
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
        Ok(result) if result == "ok" => Ok(()),
        Ok(damage) => Err(StoreError::InvalidData(
            format!("the file is damaged, restore it from a backup: {damage}").into(),
        )),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            debug!("the file is large and was searched for damage only in part");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn check_writable(connection: &Connection, wait: Duration) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        match write_transaction::begin(connection) {
            Ok(()) => return Ok(write_transaction::roll_back(connection)?),
            Err(error) if is_busy(&error) && start.elapsed() < wait => {
                info!("waiting for another process that is writing to the database");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
