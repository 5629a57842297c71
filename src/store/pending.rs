//! Counts the callers that wait for a connection.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts one caller as waiting until the guard is dropped, also if the caller gives up.
pub(super) struct PendingGuard<'a>(&'a AtomicU64);

impl<'a> PendingGuard<'a> {
    pub fn new(pending: &'a AtomicU64) -> Self {
        pending.fetch_add(1, Ordering::Relaxed);
        Self(pending)
    }
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
