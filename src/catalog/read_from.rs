//! Choice of the server that a read asks. A client reads its own writes: it sends the position after them, or the catalog
//! remembers the position for an authenticated caller.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Catalog;
use crate::{
    domain::{Error, Identity, ReadFrom, WalPosition},
    request_context,
};

/// Maximum number of callers whose positions are remembered, about 300 KiB.
const MAX_CALLERS: usize = 10_000;

impl Catalog {
    /// Returns the server that a read of the current request asks. Waits for a short time if the replica lacks writes that
    /// the client knows.
    pub(super) async fn read_from(&self) -> ReadFrom {
        if !self.store().has_replica() {
            return ReadFrom::Primary;
        }
        let after = request_context::read_after().max(self.inner.recent_writes.of_caller());
        self.store().read_from(after).await
    }

    /// Makes later reads of the current request and of its caller include all writes that this server has completed.
    pub(super) fn record_written(&self) {
        if let Some(position) = self.store().written_position() {
            request_context::record_written(position);
            self.inner.recent_writes.record(position);
        }
    }

    /// Makes later reads of the current request and of its caller include all writes, also those of other instances.
    ///
    /// # Errors
    /// Returns an error if the primary is unavailable.
    pub(super) async fn record_current_position(&self) -> Result<(), Error> {
        self.store().update_written_position().await?;
        self.record_written();
        Ok(())
    }
}

/// Positions after the last writes of authenticated callers on this server.
#[derive(Debug, Default)]
pub(super) struct RecentWrites {
    /// Hashes of the callers, because their names can be long. Equal hashes only make a read wait.
    hasher: RandomState,
    positions: Mutex<Positions>,
}

#[derive(Debug, Default)]
struct Positions {
    by_caller: HashMap<u64, WalPosition>,
    /// Newest position of the callers that were removed, which holds for all other callers.
    of_others: Option<WalPosition>,
}

impl RecentWrites {
    /// Returns the position of the current request's caller. Returns `None` if it is not authenticated or has not written.
    fn of_caller(&self) -> Option<WalPosition> {
        let caller = self.caller()?;
        let positions = self.positions();
        positions.by_caller.get(&caller).copied().max(positions.of_others)
    }

    fn record(&self, position: WalPosition) {
        let Some(caller) = self.caller() else {
            return;
        };
        let mut positions = self.positions();
        if positions.by_caller.len() >= MAX_CALLERS && !positions.by_caller.contains_key(&caller) {
            let newest = positions.by_caller.drain().map(|(_, position)| position).max();
            positions.of_others = positions.of_others.max(newest);
        }
        positions.by_caller.insert(caller, position);
    }

    /// Returns the hash of the current request's caller, or `None` if it is not authenticated.
    fn caller(&self) -> Option<u64> {
        request_context::with_caller(|caller, _| match caller?.identity() {
            Identity::Anonymous => None,
            identity => Some(self.hasher.hash_one(identity)),
        })?
    }

    fn positions(&self) -> MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
