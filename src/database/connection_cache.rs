//! Connections between two statements. Who is done hands his to the next: a connection that goes back to sqlx is asked first
//! whether it is still there, which costs as much as a small read.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::pooled_connection::PooledConnection;

/// So long a connection goes from one to the next, and up to twice as long where it lies idle. Then sqlx gets it back, which
/// looks after old, idle and broken ones.
pub(super) const MAX_HOLD: Duration = Duration::from_secs(1);

/// Those that are free. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct ConnectionCache(Arc<Mutex<Leases>>);

#[derive(Default)]
struct Leases {
    free: Vec<PooledConnection>,
    /// Who waits for sqlx to have one.
    waiting: usize,
    /// A task gives those back whose time is over.
    is_watched: bool,
}

impl ConnectionCache {
    /// One that is at hand; else sqlx has to lend one.
    pub fn take(&self) -> Result<PooledConnection, Waiting> {
        let mut leases = self.leases();
        leases.free.pop().ok_or_else(|| self.waiting(leases))
    }

    /// Has sqlx lend one: if there is one at hand, that may be the only one left.
    pub fn wait(&self) -> Waiting {
        let mut leases = self.leases();
        let lease = leases.free.pop();
        let waiting = self.waiting(leases);
        drop(lease);
        waiting
    }

    fn waiting(&self, mut leases: MutexGuard<'_, Leases>) -> Waiting {
        leases.waiting += 1;
        Waiting(self.clone())
    }

    /// For the next statement. Not after one that failed or was given up: of that, sqlx has to see what became.
    pub fn keep(&self, lease: PooledConnection) {
        if lease.is_expired(Instant::now()) {
            return;
        }
        let mut leases = self.leases();
        if leases.waiting > 0 {
            // Whose turn it is, sqlx knows.
            drop(leases);
            return drop(lease);
        }
        leases.free.push(lease);
        if !std::mem::replace(&mut leases.is_watched, true) {
            drop(tokio::spawn(self.clone().watch()));
        }
    }

    /// Gives all of them back, which sqlx tests then.
    pub fn clear(&self) {
        let leases = std::mem::take(&mut self.leases().free);
        drop(leases);
    }

    async fn watch(self) {
        loop {
            tokio::time::sleep(MAX_HOLD).await;
            let now = Instant::now();
            let mut leases = self.leases();
            let over: Vec<PooledConnection> =
                leases.free.extract_if(.., |lease| lease.is_expired(now)).collect();
            leases.is_watched = !leases.free.is_empty();
            let is_expired = !leases.is_watched;
            drop(leases);
            drop(over);
            if is_expired {
                return;
            }
        }
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for sqlx, until it is dropped: meanwhile nothing is kept from sqlx.
pub(super) struct Waiting(ConnectionCache);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leases().waiting -= 1;
    }
}
