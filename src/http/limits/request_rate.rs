//! Limits the rate of requests of each caller.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use super::{Limit, Party, holder};
use crate::{
    gcra::{Allowance, Gcra},
    http::problem::{Problem, seconds_rounded_up},
    request_context,
};

/// Header with what is left of an allowance (draft-ietf-httpapi-ratelimit-headers, revision 11).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Header with the burst and the time for as many requests again (the same draft).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Number of callers whose allowances are kept. If there are more, those without recent requests start again with a
/// complete allowance.
const CALLERS: usize = 65_536;

/// Number of requests in a period of whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Number of requests, at least 1.
    pub requests: u32,
    pub period: Duration,
}

/// Rate of requests of each caller. Cheap to clone.
#[derive(Clone)]
pub struct RequestRate(Arc<Inner>);

struct Inner {
    gcra: Gcra,
    burst: u32,
    start: Instant,
    /// Allowances by a random hash of the caller, which saves copies of names.
    callers: Cache<u64, Arc<Allowance>>,
    hasher: RandomState,
    policy: HeaderValue,
}

impl RequestRate {
    /// Limits the rate of each caller, and allows bursts of `burst` requests.
    pub fn new(rate: Rate, burst: u32) -> Self {
        let (requests, burst) = (rate.requests.max(1), burst.max(1));
        // Rounded up, so that the rate is never exceeded.
        let interval = rate.period.as_nanos().div_ceil(requests.into());
        let interval = Duration::from_nanos(u64::try_from(interval).unwrap_or(u64::MAX));
        let window = (u64::from(burst) * rate.period.as_secs()).div_ceil(requests.into());
        let policy = format!(r#""default";q={burst};w={window}"#);
        Self(Arc::new(Inner {
            gcra: Gcra::new(interval, burst),
            burst,
            start: Instant::now(),
            callers: Cache::new(CALLERS),
            hasher: RandomState::new(),
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
        }))
    }

    /// Counts a request of the current caller.
    ///
    /// # Errors
    /// Returns a 429 problem if the caller exceeds the rate.
    pub fn count(&self) -> Result<(), Problem> {
        self.take(1).map_err(reject)
    }

    /// Counts the rest of an operation that costs as much as `requests` requests, and has been counted as one. If it
    /// costs more than a burst, it counts as the burst, because it could otherwise never be executed.
    ///
    /// # Errors
    /// Returns a 429 problem if the caller exceeds the rate.
    pub fn count_rest(&self, requests: u32) -> Result<(), Problem> {
        match requests.min(self.0.burst).saturating_sub(1) {
            0 => Ok(()),
            // The next attempt is counted as one request first.
            rest => self.take(rest).map_err(|wait| reject(wait + self.0.gcra.interval())),
        }
    }

    /// Adds the headers that tell an authenticated caller what is left of its allowance.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        let Inner { gcra, start, policy, .. } = &*self.0;
        let allowance = request_context::with_caller(|caller, address| {
            caller.map(|_| self.allowance(holder::of_any_caller(caller, address)))
        });
        let Some(allowance) = allowance.flatten() else {
            return;
        };
        let remaining = gcra.remaining(&allowance, start.elapsed());
        let (requests, seconds) = (remaining.requests, seconds_rounded_up(remaining.next));
        if let Ok(limit) = HeaderValue::try_from(format!(r#""default";r={requests};t={seconds}"#)) {
            headers.insert(RATE_LIMIT, limit);
            headers.insert(RATE_LIMIT_POLICY, policy.clone());
        }
    }

    fn take(&self, requests: u32) -> Result<(), Duration> {
        let Inner { gcra, start, .. } = &*self.0;
        let allowance = request_context::with_caller(|caller, address| {
            self.allowance(holder::of_any_caller(caller, address))
        });
        // Work outside of requests has no caller.
        allowance.map_or(Ok(()), |allowance| gcra.take(&allowance, start.elapsed(), requests))
    }

    fn allowance(&self, caller: holder::Holder<'_>) -> Arc<Allowance> {
        let Inner { callers, hasher, .. } = &*self.0;
        let Ok(allowance) =
            callers.get_or_insert_with(&hasher.hash_one(caller), || Ok::<_, Infallible>(Arc::default()));
        allowance
    }
}

/// Counts a rejection, and returns its problem.
fn reject(wait: Duration) -> Problem {
    Limit::RequestRate.record(Party::Caller);
    Problem::too_many_requests(wait)
}
