//! Connections for reads. Short reads run on the thread of the request, because most of them take less time
//! than a switch to another thread. All other reads run on blocking threads.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, InterruptHandle, Result};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    connection::{self, Access},
    database_file::DatabaseFile,
    write_transaction::is_usable_after,
};
use crate::{
    panics,
    store::{PoolOptions, PoolStatus, StoreError, pending::PendingGuard},
};

/// Duration above which later short reads run on a blocking thread.
const INLINE_BUDGET: Duration = Duration::from_millis(1);

/// Number of short reads that run on a blocking thread after a read exceeds [`INLINE_BUDGET`], because the
/// disk may be slow.
const OFFLOADED_READS_AFTER_SLOW: usize = 100;

/// Time that [`Readers::close`] waits for running reads.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The read connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Readers(Arc<Inner>);

struct Inner {
    file: DatabaseFile,
    short: Mutex<ShortReader>,
    /// Open connections that are not in use.
    idle: Mutex<Vec<Connection>>,
    /// One permit per connection.
    permits: Arc<Semaphore>,
    max: u32,
    pending: AtomicU64,
    acquire_timeout: Duration,
}

/// The connection for short reads.
#[derive(Default)]
struct ShortReader {
    /// `None` before the first use, after a failure, and after the end.
    connection: Option<Connection>,
    /// Number of reads that are still to run on a blocking thread.
    reads_to_offload: usize,
    is_closed: bool,
}

impl Readers {
    pub fn new(file: DatabaseFile, options: PoolOptions) -> Self {
        Self(Arc::new(Inner {
            file,
            short: Mutex::default(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(usize::try_from(options.connections).unwrap_or(1))),
            max: options.connections,
            pending: AtomicU64::new(0),
            acquire_timeout: options.acquire_timeout,
        }))
    }

    pub fn status(&self) -> PoolStatus {
        let max = u64::from(self.0.max);
        PoolStatus {
            used: max.saturating_sub(self.0.permits.available_permits() as u64),
            idle: lock(&self.0.idle).len() as u64,
            max,
            pending: self.0.pending.load(Ordering::Relaxed),
        }
    }

    /// Runs a read of a few rows by key.
    pub async fn read_short<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let is_ready = |reader: &ShortReader| reader.reads_to_offload == 0 && reader.connection.is_some();
        if self.0.short.try_lock().is_ok_and(|reader| is_ready(&reader)) {
            return self.0.run_short(work);
        }
        let inner = self.0.clone();
        let read = spawn_blocking(move || inner.run_short(work)).await;
        panics::resume_panic(read).unwrap_or_else(|| Err(stopping()))
    }

    /// Runs any other read on a blocking thread. Returns the result and the time at which the read began. If
    /// the caller is dropped, the read is interrupted.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> (Result<T, StoreError>, Instant) {
        let pending = PendingGuard::new(&self.0.pending);
        let permit =
            tokio::time::timeout(self.0.acquire_timeout, self.0.permits.clone().acquire_owned()).await;
        drop(pending);
        let began = Instant::now();
        let permit = match permit {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return (Err(closed()), began),
            Err(_) => {
                return (Err(StoreError::unavailable("no database connection was free in time")), began);
            }
        };
        let (inner, interrupt) = (self.0.clone(), InterruptOnDrop::default());
        let running = interrupt.0.clone();
        let read = spawn_blocking(move || {
            let _permit = permit;
            inner.run(work, &running)
        });
        let result = panics::resume_panic(read.await).unwrap_or_else(|| Err(stopping()));
        (result, began)
    }

    /// Waits for the running reads and closes all connections.
    pub async fn close(&self) {
        // The permits are held until the end, so that no other read begins.
        let all = tokio::time::timeout(CLOSE_TIMEOUT, self.0.permits.acquire_many(self.0.max)).await;
        if all.is_err() {
            tracing::warn!("a read was still running when the database was closed");
        }
        self.0.permits.close();
        lock(&self.0.idle).clear();
        *lock(&self.0.short) = ShortReader { is_closed: true, ..ShortReader::default() };
    }
}

impl Inner {
    fn run_short<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T, StoreError> {
        let mut reader = lock(&self.short);
        if reader.is_closed {
            return Err(closed());
        }
        self.file.check()?;
        let start = Instant::now();
        let connection = match reader.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = work(&connection);
        if result.as_ref().err().is_none_or(is_usable_after) {
            reader.connection = Some(connection);
        }
        reader.reads_to_offload = if start.elapsed() > INLINE_BUDGET {
            OFFLOADED_READS_AFTER_SLOW
        } else {
            reader.reads_to_offload.saturating_sub(1)
        };
        Ok(result?)
    }

    fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T>,
        running: &Mutex<Running>,
    ) -> Result<T, StoreError> {
        self.file.check()?;
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let is_awaited = {
            let mut running = lock(running);
            running.connection = Some(connection.get_interrupt_handle());
            !running.is_abandoned
        };
        let result = if is_awaited { work(&connection) } else { Err(rusqlite::Error::InvalidQuery) };
        // From now on, the caller must not interrupt the connection, which another read may use.
        lock(running).connection = None;
        if result.as_ref().err().is_none_or(is_usable_after) {
            lock(&self.idle).push(connection);
        }
        Ok(result?)
    }

    fn open(&self) -> Result<Connection> {
        connection::open(self.file.path(), Access::Read, false)
    }
}

/// State of a read, shared with its caller.
#[derive(Default)]
struct Running {
    /// Connection of the running read.
    connection: Option<InterruptHandle>,
    /// Whether the caller has been dropped.
    is_abandoned: bool,
}

/// Interrupts a running read, or prevents one that has not begun, when it is dropped.
#[derive(Default)]
struct InterruptOnDrop(Arc<Mutex<Running>>);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        let mut running = lock(&self.0);
        running.is_abandoned = true;
        if let Some(connection) = running.connection.take() {
            connection.interrupt();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> StoreError {
    StoreError::unavailable("the database is closed")
}

fn stopping() -> StoreError {
    StoreError::unavailable("the server is stopping")
}
