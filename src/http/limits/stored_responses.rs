//! Limits the bytes of responses that are stored for idempotency keys.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Limit, Party, holder};
use crate::{
    domain::Error,
    gcra::{Allowance, Gcra},
    rate_by_holder::RateByHolder,
    request_context,
};

/// Unit of the allowances, in bytes.
const UNIT: u64 = 1024;

/// Bytes that may be stored within the retention of the responses, by all callers and by each. The allowances grow
/// again with time, as the responses expire. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoredResponses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: Gcra,
    everyone: Allowance,
    start: Instant,
    callers: RateByHolder,
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
            everyone: Allowance::default(),
            start: Instant::now(),
            callers: RateByHolder::new(rate(bytes / 4)),
        }))
    }

    /// Takes the bytes of a response from the allowance of the current caller.
    ///
    /// # Errors
    /// Returns [`Error::TooManyStoredResponses`] if the caller, or all callers together, have stored too many bytes.
    pub fn store(&self, bytes: usize) -> Result<(), Error> {
        let Inner { total, everyone, start, callers } = &*self.0;
        let units = u32::try_from(bytes as u64 / UNIT + 1).unwrap_or(u32::MAX);
        let exceeded = |party| {
            Limit::StoredResponses.record(party);
            Error::TooManyStoredResponses
        };
        let taken = request_context::with_caller(|caller, address| {
            holder::of_caller(caller, address).map_or(Ok(()), |caller| callers.take(caller, units))
        });
        taken.unwrap_or(Ok(())).map_err(|_| exceeded(Party::Caller))?;
        total.take(everyone, start.elapsed(), units).map_err(|_| exceeded(Party::Everyone))
    }
}
