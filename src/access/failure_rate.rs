//! Limits the rate of failed authentications from one network.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

use crate::gcra::{Allowance, Gcra};

/// Period in which a number of failures is allowed.
const PERIOD: Duration = Duration::from_secs(60);
/// Number of allowances. Networks are distributed over them by a random hash, which needs bounded memory. Two networks
/// rarely have the same allowance, and then share one rate.
const ALLOWANCES: usize = 4096;

/// Rate of failures by network.
pub struct FailureRate {
    rate: Gcra,
    start: Instant,
    allowances: Box<[Allowance]>,
    hasher: RandomState,
}

impl FailureRate {
    /// Allows a number of failures in a minute.
    pub fn new(per_minute: u32) -> Self {
        let rate = Gcra::new(PERIOD / per_minute.max(1), per_minute);
        let allowances = (0..ALLOWANCES).map(|_| Allowance::default()).collect();
        Self { rate, start: Instant::now(), allowances, hasher: RandomState::new() }
    }

    /// Records a failure of a network.
    ///
    /// # Errors
    /// Returns the time to wait if the network has had too many failures.
    pub fn record(&self, network: impl Hash) -> Result<(), Duration> {
        let index = usize::try_from(self.hasher.hash_one(network) % ALLOWANCES as u64).unwrap_or(0);
        self.rate.take(&self.allowances[index], self.start.elapsed(), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_rate() {
        let rate = FailureRate::new(10);
        assert!((0..10).all(|_| rate.record(1).is_ok()));
        let wait = rate.record(1).unwrap_err();
        assert!(wait <= Duration::from_secs(6) && wait > Duration::from_secs(5), "{wait:?}");
        assert!(rate.record(2).is_ok());
    }
}
