//! A connection to SQLite without sqlx, for the statements of which there are most: sqlx has a thread for each connection, to
//! which every statement is handed over, and every value of it.

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
use crate::{database::connect::BUSY_TIMEOUT, panics};

/// One connection. Cheap to clone.
#[derive(Clone)]
pub(in crate::database) struct SqliteConnection(Arc<Shared>);

struct Shared {
    file: PathBuf,
    access: Mode,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Opened when it is needed, and anew after a failure.
    connection: Option<OpenConnection>,
    /// How many reads are still to be handed over to another thread, since one has taken long.
    reads_to_offload: usize,
}

struct OpenConnection {
    connection: Connection,
    /// The version of the schema when its triggers were looked at.
    schema: Option<i64>,
    at: Instant,
}

/// Then it is opened anew: the file may be another one now.
const MAX_LIFETIME: Duration = Duration::from_mins(10);

impl OpenConnection {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < MAX_LIFETIME
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::database) enum Mode {
    /// Of a few rows by their keys.
    ReadOnly,
    /// By transactions that are alone from their begin.
    ReadWrite,
}

/// What a connection keeps of the file, in KiB.
const CACHE: u32 = 4 << 10;

/// As a rule no reader waits for anybody; one that has to holds up its thread so long, once in a while.
const READ_BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// So long a turn of reads may hold up its thread. As a rule it takes less time than to hand it over, and what it finds is freed
/// by the thread that made it.
const INLINE_BUDGET: Duration = Duration::from_millis(1);

/// So many are handed over once one has taken longer: the disk may have to be waited for.
const OFFLOADED_READS_AFTER_SLOW: usize = 100;

/// Whether what a create writes has triggers that are none of ours.
const HAS_FOREIGN_TRIGGERS: &str = "
SELECT count(*) > 0 FROM sqlite_schema
WHERE type = 'trigger' AND lower(tbl_name) IN ('product', 'product_change') AND name NOT IN (
    'product_created', 'product_updated', 'product_deleted', 'product_id_gone', 'product_id_changed'
)";

impl SqliteConnection {
    /// To a file that is there.
    pub fn new(file: &Path, access: Mode) -> Self {
        Self(Arc::new(Shared { file: file.to_owned(), access, state: Mutex::default() }))
    }

    /// What it is for.
    pub fn access(&self) -> Mode {
        self.0.access
    }

    /// Does the work in a transaction, and to its end even where nobody waits for it any more. So long, what is to be held is
    /// held; then it comes back.
    pub async fn run<T: Send + 'static, H: Send + 'static>(
        &self,
        hold: H,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> (Result<T, DbErr>, Option<H>) {
        let Self(shared) = self.clone();
        let run = move || {
            let done = shared.run(work).map_err(error::into_sqlx_error);
            (done.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))), Some(hold))
        };
        if self.0.may_run_inline() {
            return run();
        }
        let cut_off = || (Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)), None);
        panics::resume_panic(spawn_blocking(run).await).unwrap_or_else(cut_off)
    }
}

impl Shared {
    /// Whether the next one is likely to be: one that need not open the file, and does not write, for which it waits for the
    /// disk.
    fn may_run_inline(&self) -> bool {
        let is_ready = |state: &State| {
            state.reads_to_offload == 0 && state.connection.as_ref().is_some_and(OpenConnection::is_fresh)
        };
        self.access == Mode::ReadOnly && self.state.try_lock().is_ok_and(|state| is_ready(&state))
    }

    fn run<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        let done = self.run_by(&mut state.connection, work);
        state.reads_to_offload = if start.elapsed() > INLINE_BUDGET {
            OFFLOADED_READS_AFTER_SLOW
        } else {
            state.reads_to_offload.saturating_sub(1)
        };
        done
    }

    fn run_by<T>(
        &self,
        connection: &mut Option<OpenConnection>,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let opened = match connection.take().filter(OpenConnection::is_fresh) {
            Some(opened) => opened,
            None => self.open()?,
        };
        let done = self.run_on(connection.insert(opened), work);
        let failure = done.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        if failure.is_some_and(|code| code != ErrorCode::ConstraintViolation) {
            *connection = None;
        }
        done
    }

    fn run_on<T>(
        &self,
        OpenConnection { connection, schema, .. }: &mut OpenConnection,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = match self.access {
            Mode::ReadOnly => connection.transaction_with_behavior(TransactionBehavior::Deferred)?,
            Mode::ReadWrite => {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let version = Some(transaction.pragma_query_value(None, "schema_version", |row| row.get(0))?);
                if *schema != version {
                    // They run for each row: ours would take a third of the time. Somebody else's must not be passed over.
                    let others: bool = transaction.query_row(HAS_FOREIGN_TRIGGERS, [], |row| row.get(0))?;
                    transaction.set_db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER, others)?;
                    *schema = version;
                }
                transaction
            }
        };
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn open(&self) -> rusqlite::Result<OpenConnection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        let patience = if self.access == Mode::ReadOnly { READ_BUSY_TIMEOUT } else { BUSY_TIMEOUT };
        connection.busy_timeout(patience)?;
        connection.pragma_update(None, "cache_size", format!("-{CACHE}"))?;
        match self.access {
            Mode::ReadOnly => connection.pragma_update(None, "query_only", "on")?,
            Mode::ReadWrite => {
                // FULL: a commit is on the disk before it is acknowledged.
                connection.pragma_update(None, "synchronous", "full")?;
                connection.pragma_update(None, "foreign_keys", "on")?;
            }
        }
        Ok(OpenConnection { connection, schema: None, at: Instant::now() })
    }
}
