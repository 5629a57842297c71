//! The instruments of HTTP requests. Each route's are bound to its labels when they are first needed, so that a request
//! looks up none of them.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter},
};

use super::{
    names,
    routes::{RouteIndex, Routes},
    sharded_buffer::ShardedBuffer,
    slow_requests::SlowRequestLog,
};

/// The instruments of the requests. Cheap to clone.
#[derive(Clone)]
pub struct HttpMetrics(Arc<Instruments>);

struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
    fine_duration: Histogram<f64>,
    request_size: Histogram<u64>,
    response_size: Histogram<u64>,
    slow: SlowRequestLog,
    routes: Routes,
    tallies: ShardedBuffer<(RouteIndex, Ended)>,
    /// By [`RouteIndex::index`].
    series: Vec<Series>,
}

/// The series of a method of a route.
#[derive(Default)]
struct Series {
    of_all: OnceLock<OfAll>,
    /// Few: a route answers with a handful of statuses.
    of_status: RwLock<Vec<(u16, OfStatus)>>,
}

/// Those without the status.
struct OfAll {
    duration: BoundHistogram<f64>,
    request_size: BoundHistogram<u64>,
    response_size: BoundHistogram<u64>,
}

/// Those of one status.
#[derive(Clone)]
struct OfStatus {
    requests: BoundCounter<u64>,
    fine_duration: BoundHistogram<f64>,
}

/// How a request went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub status: u16,
    pub time: Duration,
    /// Bytes of its body, as they arrived.
    pub received: u64,
    /// Bytes of its answer's body, as they were sent.
    pub sent: u64,
}

impl HttpMetrics {
    /// Instruments whose counters exist at 0 for the usual statuses of these routes, so that `rate()` sees the first
    /// request.
    pub fn new(
        meter: &Meter,
        duration_buckets: &[f64],
        size_buckets: &[f64],
        routes: Routes,
        slow: SlowRequestLog,
    ) -> Self {
        let requests = meter.u64_counter(names::HTTP_REQUESTS).with_description("HTTP requests").build();
        let duration = meter
            .f64_histogram(names::HTTP_REQUEST_DURATION)
            .with_unit("s")
            .with_description("Time from a request's head to the last byte of its answer")
            .with_boundaries(duration_buckets.to_vec())
            .build();
        let fine_duration = meter
            .f64_histogram(names::HTTP_SERVER_REQUEST_DURATION)
            .with_unit("s")
            .with_description("Time from a request's head to the last byte of its answer, in fine buckets")
            .with_boundaries(names::FINE_BUCKETS.to_vec())
            .build();
        let size = |name, description| {
            let size = meter.u64_histogram(name).with_unit("By").with_description(description);
            size.with_boundaries(size_buckets.to_vec()).build()
        };
        let request_size = size(names::HTTP_REQUEST_SIZE, "Bodies of requests, as they arrived");
        let response_size = size(names::HTTP_RESPONSE_SIZE, "Bodies of answers, as they were sent");
        for (method, endpoint, statuses) in routes.usual() {
            for status in *statuses {
                requests.add(0, &request_labels(method, endpoint, *status));
            }
        }
        let series = routes.all().map(|_| Series::default()).collect();
        let instruments = Arc::new(Instruments {
            requests,
            duration,
            fine_duration,
            request_size,
            response_size,
            slow,
            routes,
            tallies: ShardedBuffer::new(),
            series,
        });
        let seen = instruments.clone();
        // Readers ask the observed ones before they look at the others.
        meter
            .i64_observable_up_down_counter(names::HTTP_REQUESTS_IN_FLIGHT)
            .with_description("Requests whose answers have not ended")
            .with_callback(move |observer| {
                seen.tallies.record_all(|(place, ended)| seen.record(place, ended));
                // One that ends on another thread while they are added up is missed here and counted there.
                observer.observe(seen.tallies.in_flight().max(0), &[]);
            })
            .build();
        Self(instruments)
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.0.routes
    }

    pub(super) fn slow(&self) -> &SlowRequestLog {
        &self.0.slow
    }

    /// A request has come.
    pub(super) fn begun(&self) {
        self.0.tallies.begun();
    }

    /// Its answer has been sent, or given up.
    pub(super) fn ended(&self, place: RouteIndex, ended: Ended) {
        self.0.tallies.ended((place, ended), |(place, ended)| self.0.record(place, ended));
    }
}

impl Instruments {
    fn record(&self, place: RouteIndex, ended: Ended) {
        let Ended { status, time, received, sent } = ended;
        let seconds = time.as_secs_f64();
        let series = &self.series[place.index()];
        let of_all = series.of_all.get_or_init(|| self.bind(place));
        of_all.duration.record(seconds);
        of_all.request_size.record(received);
        of_all.response_size.record(sent);
        series.with_status(
            status,
            || self.bind_status(place, status),
            |of_status| {
                of_status.requests.add(1);
                of_status.fine_duration.record(seconds);
            },
        );
    }

    fn bind(&self, place: RouteIndex) -> OfAll {
        let (method, endpoint) = self.routes.labels(place);
        let labels = [KeyValue::new(names::METHOD, method), KeyValue::new(names::ENDPOINT, endpoint)];
        OfAll {
            duration: self.duration.bind(&labels),
            request_size: self.request_size.bind(&labels),
            response_size: self.response_size.bind(&labels),
        }
    }

    fn bind_status(&self, place: RouteIndex, status: u16) -> OfStatus {
        let (method, endpoint) = self.routes.labels(place);
        let semantic = [
            KeyValue::new(names::SEMCONV_METHOD, method),
            KeyValue::new(names::SEMCONV_ROUTE, endpoint),
            KeyValue::new(names::SEMCONV_STATUS, i64::from(status)),
        ];
        OfStatus {
            requests: self.requests.bind(&request_labels(method, endpoint, status)),
            fine_duration: self.fine_duration.bind(&semantic),
        }
    }
}

impl Series {
    /// Uses those of a status, which are made if they are not there yet.
    fn with_status(&self, status: u16, make: impl FnOnce() -> OfStatus, record: impl FnOnce(&OfStatus)) {
        let find = |known: &[(u16, OfStatus)]| known.iter().position(|(known, _)| *known == status);
        let known = self.of_status.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = find(&known) {
            return record(&known[place].1);
        }
        drop(known);
        let mut known = self.of_status.write().unwrap_or_else(PoisonError::into_inner);
        let place = find(&known).unwrap_or_else(|| {
            known.push((status, make()));
            known.len() - 1
        });
        record(&known[place].1);
    }
}

fn request_labels(method: &'static str, endpoint: &'static str, status: u16) -> [KeyValue; 3] {
    [
        KeyValue::new(names::METHOD, method),
        KeyValue::new(names::ENDPOINT, endpoint),
        KeyValue::new(names::STATUS_CODE, i64::from(status)),
    ]
}
