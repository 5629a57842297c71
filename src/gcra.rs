//! Generic cell rate algorithm (GCRA): limits a rate of requests, and allows bursts.
//!
//! A burst uses up the allowance of its caller. From then on, the allowance grows by one request in each interval. The whole state of
//! an allowance is the time at which it is complete again, the theoretical arrival time of the algorithm.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Rate and burst of a limit. All times are measured on one monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Gcra {
    /// Nanoseconds in which an allowance grows by one request.
    interval: u64,
    /// Nanoseconds in which an empty allowance becomes complete.
    capacity: u64,
}

/// Allowance of one caller. A new one is complete.
#[derive(Debug, Default)]
pub struct Allowance(AtomicU64);

/// Requests that an allowance has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    pub requests: u64,
    /// Time until there is one more; zero if the allowance is complete.
    pub next: Duration,
}

impl Gcra {
    /// Limits a rate to one request per `interval` in the long run, and to `burst` requests at once.
    pub fn new(interval: Duration, burst: u32) -> Self {
        let interval = nanoseconds(interval).max(1);
        Self { interval, capacity: interval.saturating_mul(burst.max(1).into()) }
    }

    /// Returns the time in which an allowance grows by one request.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// Takes requests from an allowance at the time `now`, all or none.
    ///
    /// # Errors
    /// Returns the time to wait if the allowance has fewer requests left.
    pub fn take(&self, allowance: &Allowance, now: Duration, requests: u32) -> Result<(), Duration> {
        let (now, cost) = (nanoseconds(now), self.interval.saturating_mul(requests.into()));
        // Threads may read the clock in one order and come here in another. The later time counts.
        let after = |complete_at: u64| complete_at.max(now).saturating_add(cost);
        let latest = now.saturating_add(self.capacity);
        let take = |complete_at| Some(after(complete_at)).filter(|after| *after <= latest);
        let taken = allowance.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|complete_at| Duration::from_nanos(after(complete_at) - latest))
    }

    /// Returns what an allowance has left at the time `now`.
    pub fn remaining(&self, allowance: &Allowance, now: Duration) -> Remaining {
        let missing = allowance.0.load(Ordering::Relaxed).saturating_sub(nanoseconds(now));
        let requests = self.capacity.saturating_sub(missing) / self.interval;
        let next = (requests + 1) * self.interval;
        let next = if missing == 0 { 0 } else { missing.saturating_add(next).saturating_sub(self.capacity) };
        Remaining { requests, next: Duration::from_nanos(next) }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
