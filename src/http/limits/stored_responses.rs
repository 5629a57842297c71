//! Limits the bytes of responses that are stored for idempotency keys.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Limit, Party, holder};
use crate::{
    domain::Error,
    gcra::{Allowance, Gcra},
    request_context,
};

/// Unit of the allowances, in bytes.
const UNIT: u64 = 1024;
/// Number of allowances. Callers are distributed over them by a random hash, which needs bounded memory. Two callers
/// rarely have the same allowance, and then share it.
const ALLOWANCES: usize = 4096;

/// Bytes that may be stored within the retention of the responses, by all callers and by each. The allowances grow
/// again with time, as the responses expire. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoredResponses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: Gcra,
    share: Gcra,
    everyone: Allowance,
    callers: Box<[Allowance]>,
    hasher: RandomState,
    start: Instant,
}

impl StoredResponses {
    /// Allows `bytes` within the retention; a quarter of them for one caller.
    pub fn new(bytes: u64, retention: Duration) -> Self {
        let rate = |bytes: u64| {
            let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
            Gcra::new(retention / units, units)
        };
        Self(Arc::new(Inner {
            total: rate(bytes),
            share: rate(bytes / 4),
            everyone: Allowance::default(),
            callers: (0..ALLOWANCES).map(|_| Allowance::default()).collect(),
            hasher: RandomState::new(),
            start: Instant::now(),
        }))
    }

    /// Takes the bytes of a response from the allowance of the current caller.
    ///
    /// # Errors
    /// Returns [`Error::TooManyStoredResponses`] if the caller, or all callers together, have stored too many bytes.
    pub fn store(&self, bytes: usize) -> Result<(), Error> {
        let Inner { total, share, everyone, callers, hasher, start } = &*self.0;
        let units = u32::try_from(bytes as u64 / UNIT + 1).unwrap_or(u32::MAX);
        let now = start.elapsed();
        let caller = request_context::with_caller(|caller, address| {
            Some(hasher.hash_one(holder::of_caller(caller, address)?))
        });
        let index = caller.flatten().map(|hash| usize::try_from(hash % ALLOWANCES as u64).unwrap_or(0));
        let exceeded = |party| {
            Limit::StoredResponses.record(party);
            Error::TooManyStoredResponses
        };
        if let Some(index) = index {
            share.take(&callers[index], now, units).map_err(|_| exceeded(Party::Caller))?;
        }
        total.take(everyone, now, units).map_err(|_| exceeded(Party::Everyone))
    }
}
