//! Log of the slowest recent requests, served at `GET /metrics/slow`. Each entry has the ids by which the
//! request's log lines and trace can be found.
//!
//! The log is used instead of exemplars, which no maintained Prometheus exporter for Rust supports. It is
//! kept in memory, and its size is limited.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;
use utoipa::ToSchema;

use super::routes::{RouteIndex, Routes};

/// Maximum number of requests kept per bucket and period.
const MAX_PER_BUCKET: usize = 10;
/// Length of a period. Requests are kept for one to two periods.
const PERIOD: Duration = Duration::from_secs(300);
/// Maximum length of a path in characters. Longer paths are truncated to limit the memory of the log.
const MAX_PATH_CHARS: usize = 200;

/// Slowest requests of each route. Cheap to clone.
#[derive(Clone)]
pub struct SlowRequestLog(Arc<Inner>);

struct Inner {
    start: Instant,
    buckets: Vec<Bucket>,
    /// Index into `buckets` for each [`RouteIndex::index`]. Unexpected routes share the last bucket.
    bucket_by_route: Vec<usize>,
}

/// Requests of one route.
#[derive(Default)]
struct Bucket {
    /// Number of the current period.
    period: AtomicU64,
    /// Duration in nanoseconds that a request must exceed to be added; 0 unless the bucket is full.
    threshold: AtomicU64,
    requests: Mutex<Requests>,
}

/// Requests of the current and the previous period, slowest first.
#[derive(Default)]
struct Requests {
    current: Vec<SlowRequest>,
    previous: Vec<SlowRequest>,
}

/// One of the slowest requests of its route
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SlowRequest {
    /// Method, as in the metrics
    #[schema(example = "GET")]
    pub method: &'static str,
    /// Route template, as in the metrics, or `unmatched`
    #[schema(example = "/products/{product_id}")]
    pub endpoint: &'static str,
    /// Time at which the request arrived (RFC 3339)
    #[schema(example = "2026-11-25T12:00:00.000Z")]
    pub at: String,
    /// Path without the query
    #[schema(example = "/products/1")]
    pub path: String,
    /// Response status, or 499 if the client disconnected before the response started
    #[schema(example = 200)]
    pub status: u16,
    /// Time until the last byte of the response
    pub seconds: f64,
    /// Time until the response headers; the rest of the duration depends on the client's speed
    pub head_seconds: f64,
    /// Time in database statements; times of concurrent statements are added up
    pub sql_seconds: f64,
    /// Number of database statements
    pub sql_statements: u64,
    /// Time spent waiting for a database connection
    pub connection_wait_seconds: f64,
    /// Size of the response body in bytes
    pub response_bytes: u64,
    /// Value of `X-Request-Id`, which the log lines of the request also contain
    pub request_id: String,
    /// Trace id, if the request belongs to a trace
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: Option<String>,
}

impl SlowRequestLog {
    /// Creates a log with a bucket for each of the expected routes, and one for all other requests.
    pub fn new(routes: &Routes) -> Self {
        let expected: Vec<_> =
            routes.expected().iter().map(|(method, endpoint, _)| (*method, *endpoint)).collect();
        let bucket = |route| expected.iter().position(|known| *known == route).unwrap_or(expected.len());
        let bucket_by_route = routes.all_labels().map(bucket).collect();
        let buckets = (0..=expected.len()).map(|_| Bucket::default()).collect();
        Self(Arc::new(Inner { start: Instant::now(), buckets, bucket_by_route }))
    }

    /// Adds a finished request if it is among the slowest of its route. `describe` is called only in that
    /// case.
    pub(super) fn record(
        &self,
        route: RouteIndex,
        start: Instant,
        time: Duration,
        describe: impl FnOnce() -> SlowRequest,
    ) {
        let Inner { start: log_start, buckets, bucket_by_route } = &*self.0;
        let bucket = &buckets[bucket_by_route[route.index()]];
        let period = period(*log_start, start + time);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if bucket.period.load(Relaxed) == period && nanoseconds <= bucket.threshold.load(Relaxed) {
            return;
        }
        let mut requests = bucket.rotate(period);
        let index = requests.current.partition_point(|other| other.seconds >= time.as_secs_f64());
        requests.current.insert(index, describe());
        requests.current.truncate(MAX_PER_BUCKET);
        if let (MAX_PER_BUCKET, Some(last)) = (requests.current.len(), requests.current.last()) {
            let threshold = Duration::from_secs_f64(last.seconds).as_nanos();
            bucket.threshold.store(u64::try_from(threshold).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// Returns the slowest requests of all buckets, slowest first.
    pub fn slowest(&self) -> Vec<SlowRequest> {
        let period = period(self.0.start, Instant::now());
        let slowest = |bucket: &Bucket| {
            let requests = bucket.rotate(period);
            let mut requests: Vec<_> = requests.current.iter().chain(&requests.previous).cloned().collect();
            sort_slowest_first(&mut requests);
            requests.truncate(MAX_PER_BUCKET);
            requests
        };
        let mut requests: Vec<_> = self.0.buckets.iter().flat_map(slowest).collect();
        sort_slowest_first(&mut requests);
        requests
    }
}

impl Bucket {
    /// Starts `period` if the bucket is in an earlier period, and returns the locked requests. Requests that
    /// ended before the previous period are dropped.
    fn rotate(&self, period: u64) -> std::sync::MutexGuard<'_, Requests> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let old_period = self.period.load(Relaxed);
        // A request that finished shortly before a rotation may be recorded after the rotation. It counts for
        // the new period.
        if period > old_period {
            let current = std::mem::take(&mut requests.current);
            requests.previous = if period == old_period + 1 { current } else { Vec::new() };
            self.threshold.store(0, Relaxed);
            self.period.store(period, Relaxed);
        }
        requests
    }
}

fn sort_slowest_first(requests: &mut [SlowRequest]) {
    requests.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
}

fn period(log_start: Instant, now: Instant) -> u64 {
    now.duration_since(log_start).as_secs() / PERIOD.as_secs()
}

pub(super) fn truncate_path(path: &str) -> String {
    path.chars().take(MAX_PATH_CHARS).collect()
}

/// Returns the time that was `ago` before the current time, in RFC 3339 format.
pub(super) fn rfc3339_ago(ago: Duration) -> String {
    let now = SystemTime::now();
    humantime::format_rfc3339_millis(now.checked_sub(ago).unwrap_or(now)).to_string()
}
