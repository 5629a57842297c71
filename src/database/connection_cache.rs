//! Reuses connections without returning them to sqlx's pool. sqlx pings each returned connection, which takes
//! as long as a small read.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::pooled_connection::PooledConnection;

/// Time for which a connection is reused; an idle one may be kept for twice as long. Connections have to
/// return to sqlx, because only sqlx replaces old, idle and broken ones.
pub(super) const MAX_HOLD: Duration = Duration::from_secs(1);

/// The idle connections that are checked out of sqlx's pool. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct ConnectionCache(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    idle: Vec<PooledConnection>,
    /// Number of callers that are waiting for a connection from sqlx.
    waiting: usize,
    /// Whether [`ConnectionCache::return_expired`] is running.
    has_cleanup_task: bool,
}

impl ConnectionCache {
    /// Returns an idle connection. If the cache is empty, returns a guard to hold while waiting for sqlx.
    pub fn pop(&self) -> Result<PooledConnection, WaiterGuard> {
        let mut inner = self.lock();
        inner.idle.pop().ok_or_else(|| self.register_waiter(inner))
    }

    /// Returns a guard to hold while waiting for sqlx. Also returns one idle connection to sqlx, whose pool
    /// may have no other.
    pub fn wait_for_pool(&self) -> WaiterGuard {
        let mut inner = self.lock();
        let released = inner.idle.pop();
        let guard = self.register_waiter(inner);
        drop(released);
        guard
    }

    fn register_waiter(&self, mut inner: MutexGuard<'_, Inner>) -> WaiterGuard {
        inner.waiting += 1;
        WaiterGuard(self.clone())
    }

    /// Keeps a connection for the next statement, unless it has expired or callers are waiting for sqlx.
    ///
    /// Callers must not use this after a failed or cancelled statement, because sqlx has to test the
    /// connection.
    pub fn put(&self, connection: PooledConnection) {
        if connection.is_expired(Instant::now()) {
            return;
        }
        let mut inner = self.lock();
        if inner.waiting > 0 {
            // sqlx passes the connection to the caller that has waited longest.
            drop(inner);
            return drop(connection);
        }
        inner.idle.push(connection);
        if !std::mem::replace(&mut inner.has_cleanup_task, true) {
            drop(tokio::spawn(self.clone().return_expired()));
        }
    }

    /// Returns all idle connections to sqlx, which tests them.
    pub fn clear(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }

    /// Returns expired connections to sqlx until the cache is empty.
    async fn return_expired(self) {
        loop {
            tokio::time::sleep(MAX_HOLD).await;
            let now = Instant::now();
            let mut inner = self.lock();
            let expired: Vec<PooledConnection> =
                inner.idle.extract_if(.., |connection| connection.is_expired(now)).collect();
            inner.has_cleanup_task = !inner.idle.is_empty();
            let is_done = !inner.has_cleanup_task;
            drop(inner);
            drop(expired);
            if is_done {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one caller as waiting for sqlx. While any guard exists, the cache keeps no further connections.
pub(super) struct WaiterGuard(ConnectionCache);

impl Drop for WaiterGuard {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}
