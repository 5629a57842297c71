//! A SQLite connection through rusqlite, for the most frequent statements. It is faster than sqlx, which
//! passes statements and rows between threads.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior,
    config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::task::spawn_blocking;

use super::error;
use crate::panics;

/// A connection that is opened on first use. Cheap to clone.
#[derive(Clone)]
pub(in crate::database) struct SqliteConnection(Arc<Inner>);

struct Inner {
    file: PathBuf,
    mode: Mode,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` before the first use and after a failure.
    connection: Option<OpenConnection>,
    /// Number of reads that are still to run on a blocking thread, because an earlier one was slow.
    reads_to_offload: usize,
}

struct OpenConnection {
    connection: Connection,
    /// Schema version for which the triggers were checked; `None` before the first check.
    schema_version: Option<i64>,
    opened_at: Instant,
}

/// Age at which a connection is reopened, because the file may have been replaced.
const MAX_LIFETIME: Duration = Duration::from_mins(10);

impl OpenConnection {
    fn is_fresh(&self) -> bool {
        self.opened_at.elapsed() < MAX_LIFETIME
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::database) enum Mode {
    /// Short reads of a few rows by key.
    ReadOnly,
    /// IMMEDIATE transactions, which acquire the write lock at the beginning.
    ReadWrite,
}

/// Size of the page cache of a connection, in KiB.
const CACHE_KIB: u32 = 4 << 10;

/// Maximum wait for a lock that another process holds on the SQLite file.
pub(in crate::database) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum wait of a read for a lock, which is rare in WAL mode. It is short because it can block a thread of
/// the runtime.
const READ_BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// Duration above which later reads run on a blocking thread. Most reads take less time than the switch to
/// such a thread, so they run on a thread of the runtime.
const INLINE_BUDGET: Duration = Duration::from_millis(1);

/// Number of reads that run on a blocking thread after a read exceeds [`INLINE_BUDGET`], because the disk may
/// be slow.
const OFFLOADED_READS_AFTER_SLOW: usize = 100;

/// Selects whether the tables `product` and `product_change` have triggers that Stockmeter did not create.
const HAS_FOREIGN_TRIGGERS: &str = "
SELECT count(*) > 0 FROM sqlite_schema
WHERE type = 'trigger' AND lower(tbl_name) IN ('product', 'product_change') AND name NOT IN (
    'product_created', 'product_updated', 'product_deleted', 'product_id_gone', 'product_id_changed'
)";

impl SqliteConnection {
    /// Creates a connection to an existing file.
    pub fn new(file: &Path, mode: Mode) -> Self {
        Self(Arc::new(Inner { file: file.to_owned(), mode, state: Mutex::default() }))
    }

    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Runs `work` in a transaction, which completes even if the caller is dropped. Holds `held` until the
    /// transaction has ended, and returns it with the result, or `None` if the runtime has shut down.
    pub async fn transaction<T: Send + 'static, H: Send + 'static>(
        &self,
        held: H,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> (Result<T, DbErr>, Option<H>) {
        let Self(inner) = self.clone();
        let run = move || {
            let result = inner.run(work).map_err(error::into_sqlx_error);
            (result.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))), Some(held))
        };
        if self.0.may_run_inline() {
            return run();
        }
        let runtime_stopped = || (Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)), None);
        panics::resume_panic(spawn_blocking(run).await).unwrap_or_else(runtime_stopped)
    }
}

impl Inner {
    /// Returns whether the next transaction is likely to be short. Writes wait for the disk, and the first
    /// read has to open the file, so these are not short.
    fn may_run_inline(&self) -> bool {
        let is_ready = |state: &State| {
            state.reads_to_offload == 0 && state.connection.as_ref().is_some_and(OpenConnection::is_fresh)
        };
        self.mode == Mode::ReadOnly && self.state.try_lock().is_ok_and(|state| is_ready(&state))
    }

    fn run<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        let result = self.run_connected(&mut state.connection, work);
        state.reads_to_offload = if start.elapsed() > INLINE_BUDGET {
            OFFLOADED_READS_AFTER_SLOW
        } else {
            state.reads_to_offload.saturating_sub(1)
        };
        result
    }

    /// Opens the connection if necessary and runs `work` on it. Closes the connection after an SQLite error
    /// other than a constraint violation.
    fn run_connected<T>(
        &self,
        connection: &mut Option<OpenConnection>,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let opened = match connection.take().filter(OpenConnection::is_fresh) {
            Some(opened) => opened,
            None => self.open()?,
        };
        let result = self.run_in_transaction(connection.insert(opened), work);
        let error_code = result.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        if error_code.is_some_and(|code| code != ErrorCode::ConstraintViolation) {
            *connection = None;
        }
        result
    }

    fn run_in_transaction<T>(
        &self,
        OpenConnection { connection, schema_version, .. }: &mut OpenConnection,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = match self.mode {
            Mode::ReadOnly => connection.transaction_with_behavior(TransactionBehavior::Deferred)?,
            Mode::ReadWrite => {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let version = Some(transaction.pragma_query_value(None, "schema_version", |row| row.get(0))?);
                if *schema_version != version {
                    // SQLite runs triggers for each row, which takes a third of the time of an insert. They
                    // are disabled, unless the tables also have triggers of other applications.
                    let has_foreign: bool =
                        transaction.query_row(HAS_FOREIGN_TRIGGERS, [], |row| row.get(0))?;
                    transaction.set_db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER, has_foreign)?;
                    *schema_version = version;
                }
                transaction
            }
        };
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    fn open(&self) -> rusqlite::Result<OpenConnection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        let busy_timeout = if self.mode == Mode::ReadOnly { READ_BUSY_TIMEOUT } else { BUSY_TIMEOUT };
        connection.busy_timeout(busy_timeout)?;
        connection.pragma_update(None, "cache_size", format!("-{CACHE_KIB}"))?;
        match self.mode {
            Mode::ReadOnly => connection.pragma_update(None, "query_only", "on")?,
            Mode::ReadWrite => {
                // With FULL, a commit is on disk before it is acknowledged.
                connection.pragma_update(None, "synchronous", "full")?;
                connection.pragma_update(None, "foreign_keys", "on")?;
            }
        }
        Ok(OpenConnection { connection, schema_version: None, opened_at: Instant::now() })
    }
}
