//! Limits the rate of failed authentications from one network.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Period in which a number of failures is allowed.
const PERIOD: Duration = Duration::from_secs(60);
/// Number of clocks. Networks are distributed over them by a random hash, which needs bounded memory. Two networks
/// rarely have the same clock, and then share one rate.
const CLOCKS: usize = 4096;

/// Rate of failures by network, measured by the generic cell rate algorithm (GCRA).
pub struct FailureRate {
    /// Time that each failure takes from its network's allowance.
    cost: Duration,
    start: Instant,
    /// Microseconds after the start at which the allowance of each network is complete again.
    clocks: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl FailureRate {
    /// Allows a number of failures in a minute.
    pub fn new(per_minute: u32) -> Self {
        let clocks = (0..CLOCKS).map(|_| AtomicU64::new(0)).collect();
        Self { cost: PERIOD / per_minute.max(1), start: Instant::now(), clocks, hasher: RandomState::new() }
    }

    /// Records a failure of a network.
    ///
    /// # Errors
    /// Returns the time to wait if the network has had too many failures.
    pub fn record(&self, network: impl Hash) -> Result<(), Duration> {
        let now = self.start.elapsed();
        let index = usize::try_from(self.hasher.hash_one(network) % CLOCKS as u64).unwrap_or(0);
        let advance = |clock: u64| {
            let next = Duration::from_micros(clock).max(now) + self.cost;
            (next <= now + PERIOD).then(|| microseconds(next))
        };
        let advanced = self.clocks[index].fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance);
        let wait = |clock| (Duration::from_micros(clock) + self.cost).saturating_sub(now + PERIOD);
        advanced.map(drop).map_err(wait)
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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
