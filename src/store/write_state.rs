//! Whether the database accepts writes. Reads may go on while all writes fail, because the disk is full or the
//! database is read-only.
//!
//! The state follows real writes, so that checks of the server's health write nothing. After a failure, only
//! [`Store::try_write`](super::Store::try_write) finds that writes work again, because a change of no row
//! succeeds on a full disk, too.

use std::mem;

use tokio::sync::watch;
use tracing::{error, info};

use super::StoreError;

/// State of writes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WriteState(watch::Sender<bool>);

impl Default for WriteState {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl WriteState {
    /// Returns whether writes work, as far as the server knows.
    pub fn works(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until writes fail.
    pub async fn failed(&self) {
        // The receiver holds no sender, but this value does, so that the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|works| !works).await;
    }

    /// Records the result of a statement, if the database accepts no writes.
    pub(super) fn record<T>(&self, result: &Result<T, StoreError>) {
        if let Err(StoreError::NotWritable(reason)) = result
            && self.set(false)
        {
            error!(%reason, "the database accepts no writes");
        }
    }

    /// Records the result of [`Store::try_write`](super::Store::try_write).
    pub(super) fn record_attempt<T>(&self, result: &Result<T, StoreError>) {
        if result.is_ok() && self.set(true) {
            info!("the database accepts writes again");
        }
    }

    /// Sets the state and returns whether it has changed.
    fn set(&self, works: bool) -> bool {
        self.0.send_if_modified(|state| mem::replace(state, works) != works)
    }
}
