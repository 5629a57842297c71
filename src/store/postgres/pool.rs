//! The connection pool.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use deadpool::managed::PoolError;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    connection::Connection,
    connection_manager::{ConnectionManager, Connections},
    servers::Servers,
    wal::WrittenPosition,
};
use crate::store::{
    PoolOptions, PoolStatus, StoreError, WriteState, observer::OptionalObserver, pending::PendingGuard,
};

/// The connection pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    connections: Connections,
    /// Permits of writes, fewer than connections. Writes may hang in a commit, for example while a
    /// synchronous standby is unavailable, and must not take the last connections from reads.
    writes: Arc<Semaphore>,
    pending_writes: Arc<AtomicU64>,
    write_state: WriteState,
    /// Position that the connections update after writes; `None` if no replica needs it.
    written: Option<WrittenPosition>,
    options: PoolOptions,
    observer: OptionalObserver,
}

/// A connection for writes.
pub(super) struct WriteConnection {
    pub connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// Creates a pool, which opens connections when they are needed, on the current runtime.
    pub fn new(
        servers: Servers,
        options: PoolOptions,
        observer: OptionalObserver,
        written: Option<WrittenPosition>,
    ) -> Result<Self, StoreError> {
        let max = usize::try_from(options.connections).unwrap_or(Semaphore::MAX_PERMITS);
        let manager = ConnectionManager { servers, options, runtime: Handle::current() };
        let connections = Connections::builder(manager)
            .max_size(max)
            .wait_timeout(Some(options.acquire_timeout))
            .create_timeout(Some(options.acquire_timeout))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(StoreError::unavailable)?;
        // A quarter of the connections is reserved for reads, but at least one is for writes.
        let writes = Arc::new(Semaphore::new((max - max.div_ceil(4)).max(1)));
        let (pending_writes, write_state) = (Arc::default(), WriteState::default());
        Ok(Self { connections, writes, pending_writes, write_state, written, options, observer })
    }

    /// Returns whether writes over the pool's connections work.
    pub fn write_state(&self) -> &WriteState {
        &self.write_state
    }

    /// Returns a connection for reads.
    pub async fn acquire(&self) -> Result<Connection, StoreError> {
        self.acquire_since(Instant::now()).await
    }

    /// Returns a connection for writes.
    pub async fn acquire_for_write(&self) -> Result<WriteConnection, StoreError> {
        let start = Instant::now();
        let pending = PendingGuard::new(&self.pending_writes);
        let permit = self.writes.clone().acquire_owned();
        let permit = tokio::time::timeout(self.options.acquire_timeout, permit).await;
        drop(pending);
        let Ok(Ok(permit)) = permit else {
            self.observer.connection_acquired(start.elapsed());
            return Err(StoreError::unavailable("no connection was free for a write in time"));
        };
        Ok(WriteConnection { connection: self.acquire_since(start).await?, _permit: permit })
    }

    async fn acquire_since(&self, start: Instant) -> Result<Connection, StoreError> {
        let connection = self.connections.get().await;
        self.observer.connection_acquired(start.elapsed());
        match connection {
            Ok(connection) => {
                let (pool, state) = (self.connections.clone(), self.write_state.clone());
                let (written, observer) = (self.written.clone(), self.observer.clone());
                let timeout = self.options.statement_timeout;
                Ok(Connection::new(connection, pool, state, written, observer, timeout))
            }
            Err(PoolError::Backend(error)) => Err(error.into()),
            Err(error) => Err(StoreError::unavailable(error)),
        }
    }

    pub fn status(&self) -> PoolStatus {
        let status = self.connections.status();
        let (size, idle) = (status.size as u64, status.available as u64);
        PoolStatus {
            used: size.saturating_sub(idle),
            idle,
            max: status.max_size as u64,
            pending: status.waiting as u64 + self.pending_writes.load(Ordering::Relaxed),
        }
    }

    pub fn close(&self) {
        self.connections.close();
    }
}
