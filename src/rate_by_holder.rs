//! Rates of many holders in bounded memory.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

use crate::gcra::{Allowance, Gcra};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_its_own_rate() {
        let rate = RateByHolder::new(Gcra::new(Duration::from_secs(6), 10));
        assert!((0..10).all(|_| rate.take(1, 1).is_ok()));
        let wait = rate.take(1, 1).unwrap_err();
        assert!(wait <= Duration::from_secs(6) && wait > Duration::from_secs(5), "{wait:?}");
        assert!(rate.take(2, 1).is_ok());
    }
}
