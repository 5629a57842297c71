//! `GET /metrics/slow`: the slowest requests of the last minutes, to be looked up in logs and traces.
//!
//! The counterpart of exemplars, which no kept exporter of Rust has. In memory and bounded.

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

/// Requests that are kept of each route, and of all others together.
const KEPT: usize = 10;
/// How long they are kept, at least; and at most twice as long.
const PERIOD: Duration = Duration::from_secs(300);
/// Longer paths are cut: what clients send must not fill the memory.
const PATH: usize = 200;

/// The slowest requests of each route. Cheap to clone.
#[derive(Clone)]
pub struct SlowRequestLog(Arc<Inner>);

struct Inner {
    start: Instant,
    pages: Vec<Page>,
    /// The pages of all routes, by [`RouteIndex::index`]; those that are not usual share the last.
    places: Vec<usize>,
}

/// Requests of one route.
#[derive(Default)]
struct Page {
    /// The period that the page is of, and the nanoseconds that a request must have taken to get on it.
    period: AtomicU64,
    least: AtomicU64,
    requests: Mutex<Requests>,
}

#[derive(Default)]
struct Requests {
    now: Vec<SlowRequest>,
    before: Vec<SlowRequest>,
}

/// A request that took longer than others.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SlowRequest {
    /// As the metrics have it
    #[schema(example = "GET")]
    pub method: &'static str,
    /// The route, as the metrics have it; `unmatched` where there is none
    #[schema(example = "/products/{product_id}")]
    pub endpoint: &'static str,
    /// When it came (RFC 3339)
    #[schema(example = "2026-11-25T12:00:00.000Z")]
    pub at: String,
    /// What it asked for, without the query
    #[schema(example = "/products/1")]
    pub path: String,
    /// The answer's status; 499 where the client left before it
    #[schema(example = 200)]
    pub status: u16,
    /// Until the last byte of the answer
    pub seconds: f64,
    /// Until the answer's head: the rest is the body, which waits for the client
    pub head_seconds: f64,
    /// In statements of the database; those that ran beside each other are added up
    pub sql_seconds: f64,
    /// Statements of the database
    pub sql_statements: u64,
    /// Waiting for a connection to the database
    pub connection_wait_seconds: f64,
    /// Bytes of the answer's body
    pub response_bytes: u64,
    /// Its `X-Request-Id`, which its log lines carry too
    pub request_id: String,
    /// Its trace, if it belongs to one
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: Option<String>,
}

impl SlowRequestLog {
    /// With a page for each of these routes, and one for everything else.
    pub fn new(routes: &Routes) -> Self {
        let usual: Vec<_> = routes.usual().iter().map(|(method, endpoint, _)| (*method, *endpoint)).collect();
        let page = |route| usual.iter().position(|usual| *usual == route).unwrap_or(usual.len());
        let places = routes.all().map(page).collect();
        let pages = (0..=usual.len()).map(|_| Page::default()).collect();
        Self(Arc::new(Inner { start: Instant::now(), pages, places }))
    }

    /// A request has ended; it is described only if it is among the slowest.
    pub(super) fn note(
        &self,
        place: RouteIndex,
        start: Instant,
        time: Duration,
        describe: impl FnOnce() -> SlowRequest,
    ) {
        let Inner { start: first, pages, places } = &*self.0;
        let page = &pages[places[place.index()]];
        let period = period(*first, start + time);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if page.period.load(Relaxed) == period && nanoseconds <= page.least.load(Relaxed) {
            return;
        }
        let mut requests = page.turn(period);
        let place = requests.now.partition_point(|other| other.seconds >= time.as_secs_f64());
        requests.now.insert(place, describe());
        requests.now.truncate(KEPT);
        if let (KEPT, Some(last)) = (requests.now.len(), requests.now.last()) {
            let least = Duration::from_secs_f64(last.seconds).as_nanos();
            page.least.store(u64::try_from(least).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// The slowest first.
    pub fn slowest(&self) -> Vec<SlowRequest> {
        let period = period(self.0.start, Instant::now());
        let slowest = |page: &Page| {
            let requests = page.turn(period);
            let mut requests: Vec<_> = requests.now.iter().chain(&requests.before).cloned().collect();
            sort(&mut requests);
            requests.truncate(KEPT);
            requests
        };
        let mut requests: Vec<_> = self.0.pages.iter().flat_map(slowest).collect();
        sort(&mut requests);
        requests
    }
}

impl Page {
    /// The requests of a period and the one before; what is older is forgotten.
    fn turn(&self, period: u64) -> std::sync::MutexGuard<'_, Requests> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.period.load(Relaxed);
        // Who ended just before the turn comes after it as well.
        if period > old {
            let now = std::mem::take(&mut requests.now);
            requests.before = if period == old + 1 { now } else { Vec::new() };
            self.least.store(0, Relaxed);
            self.period.store(period, Relaxed);
        }
        requests
    }
}

/// The slowest first.
fn sort(requests: &mut [SlowRequest]) {
    requests.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
}

fn period(first: Instant, now: Instant) -> u64 {
    now.duration_since(first).as_secs() / PERIOD.as_secs()
}

/// A path to be kept.
pub(super) fn cut(path: &str) -> String {
    path.chars().take(PATH).collect()
}

/// A time in the notation of RFC 3339.
pub(super) fn moment(ago: Duration) -> String {
    let now = SystemTime::now();
    humantime::format_rfc3339_millis(now.checked_sub(ago).unwrap_or(now)).to_string()
}
