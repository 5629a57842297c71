//! A write transaction, and the work that it carries out.

use rusqlite::{Connection, ErrorCode, Result};

use super::change_log::{PendingChanges, TriggerSwitch};
use crate::domain::{ChangeKind, ProductId, Version};

/// Access of one unit of work to the running transaction.
pub(super) struct WriteTransaction<'c> {
    pub connection: &'c Connection,
    /// Changes to log, or `None` if triggers log them.
    changes: Option<PendingChanges>,
}

impl WriteTransaction<'_> {
    /// Returns whether triggers run.
    pub fn runs_triggers(&self) -> bool {
        self.changes.is_none()
    }

    /// Adds a change to the log.
    pub fn log(&mut self, kind: ChangeKind, id: ProductId, version: Version) {
        if let Some(changes) = &mut self.changes {
            changes.add(kind, id, version);
        }
    }
}

/// Begins a transaction, which holds SQLite's only write lock until it ends.
pub(super) fn begin(connection: &Connection) -> Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

pub(super) fn commit(connection: &Connection) -> Result<()> {
    connection.prepare_cached("COMMIT")?.execute([]).map(drop)
}

pub(super) fn roll_back(connection: &Connection) -> Result<()> {
    connection.prepare_cached("ROLLBACK")?.execute([]).map(drop)
}

/// Runs one unit of work in the current transaction and logs its changes.
pub(super) fn run<T>(
    connection: &Connection,
    triggers: &mut TriggerSwitch,
    work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T>,
) -> Result<T> {
    let changes = if triggers.update(connection)? { None } else { Some(PendingChanges::default()) };
    let mut transaction = WriteTransaction { connection, changes };
    let value = work(&mut transaction)?;
    if let Some(changes) = transaction.changes {
        changes.write(connection)?;
    }
    Ok(value)
}

/// Runs one unit of work in a savepoint. If it fails, it has no effect and the transaction goes on.
pub(super) fn run_in_savepoint<T>(
    connection: &Connection,
    triggers: &mut TriggerSwitch,
    work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T>,
) -> Result<T> {
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let result = run(connection, triggers, work);
    if result.is_err() && connection.is_autocommit() {
        // SQLite has rolled the whole transaction back, with all savepoints.
        return result;
    }
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    connection.prepare_cached("RELEASE work")?.execute([])?;
    result
}

/// Returns whether the connection can be used after this error.
pub(super) fn is_usable_after(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, DatabaseBusy, DatabaseLocked, OperationInterrupted, Unknown};
    let usable = [ConstraintViolation, DatabaseBusy, DatabaseLocked, OperationInterrupted, Unknown];
    error.sqlite_error_code().is_none_or(|code| usable.contains(&code))
}
