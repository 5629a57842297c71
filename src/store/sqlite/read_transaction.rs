//! Runs several reads in one transaction.

use rusqlite::{Connection, Result};

/// Runs reads on one state of the database. Without a transaction, SQLite locks and unlocks the file for each
/// statement, which is a fifth of the CPU time of `GET /products/{id}` under load.
pub(super) fn run<T>(connection: &Connection, read: impl FnOnce() -> Result<T>) -> Result<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = read();
    // Some errors end the transaction.
    if !connection.is_autocommit() {
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    result
}
