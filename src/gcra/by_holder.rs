//! Rates of many holders in bounded memory.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

use super::{Allowance, Gcra};

/// Number of allowances. Holders are distributed over them by a random hash. Two holders rarely have the same allowance,
/// and then share it.
const ALLOWANCES: usize = 4096;

/// One rate for each holder, such as a caller or a network.
#[derive(Debug)]
pub struct RateByHolder {
    rate: Gcra,
    start: Instant,
    allowances: Box<[Allowance]>,
    hasher: RandomState,
}

impl RateByHolder {
    /// Gives each holder the same rate.
    pub fn new(rate: Gcra) -> Self {
        let allowances = (0..ALLOWANCES).map(|_| Allowance::default()).collect();
        Self { rate, start: Instant::now(), allowances, hasher: RandomState::new() }
    }

    /// Takes requests from the allowance of a holder, all or none.
    ///
    /// # Errors
    /// Returns the time to wait if the allowance has fewer requests left.
    pub fn take(&self, holder: impl Hash, requests: u32) -> Result<(), Duration> {
        // The remainder is below the number of allowances.
        let index = usize::try_from(self.hasher.hash_one(holder) % ALLOWANCES as u64).unwrap_or(0);
        self.rate.take(&self.allowances[index], self.start.elapsed(), requests)
    }
}
