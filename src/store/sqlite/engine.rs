//! The connections of a SQLite database, and the measurement of what runs on them.

use std::{fmt, time::Instant};

use rusqlite::{Connection, Row};
use sea_orm::Statement;

use super::{
    database_file::DatabaseFile, readers::Readers, startup_check, values,
    write_transaction::WriteTransaction, writer::Writer,
};
use crate::store::{Kind, PoolOptions, StoreError, observer::OptionalObserver, spans, url::SqliteFile};

/// A SQLite database. Cheap to clone.
#[derive(Clone)]
pub(in crate::store) struct Sqlite {
    pub(super) file: DatabaseFile,
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) observer: OptionalObserver,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.file.path().display())
    }
}

impl Sqlite {
    /// Opens the file, and creates it if it is missing and the URL allows it.
    pub fn open(
        file: &SqliteFile,
        options: PoolOptions,
        observer: OptionalObserver,
    ) -> Result<Self, StoreError> {
        startup_check::check(file, options.wait)?;
        let file = DatabaseFile::new(&file.path).map_err(StoreError::unavailable)?;
        let (writer, readers) = (Writer::start(file.clone()), Readers::new(file.clone(), options));
        Ok(Self { file, writer, readers, observer })
    }

    /// Runs a read on a pooled connection. `sql` describes it in spans.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.observe("SELECT", sql, self.readers.read(work)).await
    }

    /// Runs a read of a few rows by key.
    pub(super) async fn read_short<T: Send + 'static>(
        &self,
        sql: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        self.observe("SELECT", sql, async { (self.readers.read_short(work).await, start) }).await
    }

    /// Runs a statement of SeaORM on a pooled connection, and returns its rows.
    pub(super) async fn select<T: Send + 'static>(
        &self,
        statement: Statement,
        convert: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let sql = statement.sql.clone();
        self.read(&sql, move |connection| values::rows(connection, &statement, convert)).await
    }

    /// Runs a write in a transaction of the writer. `operation` and `sql` describe it in metrics and spans.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        sql: &str,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.observe(operation, sql, self.writer.run(work)).await
    }

    /// Runs a write of SeaORM in a transaction of the writer.
    pub(super) async fn execute(
        &self,
        operation: &'static str,
        statement: Statement,
    ) -> Result<(), StoreError> {
        let sql = statement.sql.clone();
        let execute = move |transaction: &mut WriteTransaction<'_>| {
            values::prepare(transaction.connection, &statement)?.raw_execute().map(drop)
        };
        self.write(operation, &sql, execute).await
    }

    /// Reports a statement and traces it. `run` returns the result and the time at which the statement began.
    pub(super) async fn observe<T>(
        &self,
        operation: &'static str,
        sql: &str,
        run: impl Future<Output = (Result<T, StoreError>, Instant)>,
    ) -> Result<T, StoreError> {
        let enqueued_at = Instant::now();
        let span = spans::statement_span(Kind::Sqlite, operation, sql);
        let mut began = enqueued_at;
        let run = async {
            let (result, began_at) = run.await;
            began = began_at;
            result
        };
        let result = spans::instrument(span, run).await;
        self.observer.connection_acquired(began.saturating_duration_since(enqueued_at));
        self.observer.statement_finished(operation, began, &result);
        result
    }
}
