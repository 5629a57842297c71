//! Instruments of HTTP requests. They are bound to the labels of a route on first use, so that recording a
//! request needs no lookup by labels.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter, UpDownCounter},
};

use super::{
    names,
    routes::{RouteIndex, Routes},
    slow_requests::SlowRequestLog,
};

/// Instruments of HTTP requests, and the slow request log. Cheap to clone.
#[derive(Clone)]
pub struct HttpMetrics(Arc<Instruments>);

struct Instruments {
    in_flight: UpDownCounter<i64>,
    aborted_connections: Counter<u64>,
    requests: Counter<u64>,
    duration: Histogram<f64>,
    fine_duration: Histogram<f64>,
    request_size: Histogram<u64>,
    response_size: Histogram<u64>,
    slow_requests: SlowRequestLog,
    routes: Routes,
    /// Indexed by [`RouteIndex::index`].
    series: Vec<RouteSeries>,
}

/// Series of one method of one route.
#[derive(Default)]
struct RouteSeries {
    common: OnceLock<CommonSeries>,
    /// A list instead of a map, because a route has only a few statuses.
    by_status: RwLock<Vec<(u16, StatusSeries)>>,
}

/// Series without a status label.
struct CommonSeries {
    duration: BoundHistogram<f64>,
    request_size: BoundHistogram<u64>,
    response_size: BoundHistogram<u64>,
}

/// Series of one status.
#[derive(Clone)]
struct StatusSeries {
    requests: BoundCounter<u64>,
    fine_duration: BoundHistogram<f64>,
}

/// Measurements of a finished request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestStats {
    pub status: u16,
    pub time: Duration,
    /// Size of the request body as received.
    pub received_bytes: u64,
    /// Size of the response body as sent.
    pub sent_bytes: u64,
}

impl HttpMetrics {
    /// Registers the instruments. Counters of the routes' expected statuses start at 0, because `rate()`
    /// would otherwise miss the first request.
    pub fn new(
        meter: &Meter,
        duration_buckets: &[f64],
        size_buckets: &[f64],
        routes: Routes,
        slow_requests: SlowRequestLog,
    ) -> Self {
        let in_flight = meter
            .i64_up_down_counter(names::HTTP_REQUESTS_IN_FLIGHT)
            .with_description("Requests in progress")
            .build();
        let aborted_connections = meter
            .u64_counter(names::HTTP_CONNECTIONS_ABORTED)
            .with_description(
                "HTTP/2 connections that the server closed because the client broke the protocol or its limits",
            )
            .build();
        let requests = meter.u64_counter(names::HTTP_REQUESTS).with_description("HTTP requests").build();
        let duration = meter
            .f64_histogram(names::HTTP_REQUEST_DURATION)
            .with_unit("s")
            .with_description("Time from the request headers to the last byte of the response")
            .with_boundaries(duration_buckets.to_vec())
            .build();
        let fine_duration = meter
            .f64_histogram(names::HTTP_SERVER_REQUEST_DURATION)
            .with_unit("s")
            .with_description(
                "Time from the request headers to the last byte of the response, in fine buckets",
            )
            .with_boundaries(names::FINE_BUCKETS.to_vec())
            .build();
        let size = |name, description| {
            let size = meter.u64_histogram(name).with_unit("By").with_description(description);
            size.with_boundaries(size_buckets.to_vec()).build()
        };
        let request_size = size(names::HTTP_REQUEST_SIZE, "Size of request bodies as received");
        let response_size = size(names::HTTP_RESPONSE_SIZE, "Size of response bodies as sent");
        in_flight.add(0, &[]);
        aborted_connections.add(0, &[]);
        for (method, endpoint, statuses) in routes.expected() {
            for status in *statuses {
                requests.add(0, &request_labels(method, endpoint, *status));
            }
        }
        let series = routes.all_labels().map(|_| RouteSeries::default()).collect();
        Self(Arc::new(Instruments {
            in_flight,
            aborted_connections,
            requests,
            duration,
            fine_duration,
            request_size,
            response_size,
            slow_requests,
            routes,
            series,
        }))
    }

    /// Counts an HTTP/2 connection that the server closed because the client broke the protocol.
    pub fn record_aborted_connection(&self) {
        self.0.aborted_connections.add(1, &[]);
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.0.routes
    }

    pub(super) fn slow_requests(&self) -> &SlowRequestLog {
        &self.0.slow_requests
    }

    pub(super) fn request_started(&self) {
        self.0.in_flight.add(1, &[]);
    }

    pub(super) fn request_finished(&self, route: RouteIndex, stats: &RequestStats) {
        self.0.in_flight.add(-1, &[]);
        self.0.record(route, stats);
    }
}

impl Instruments {
    fn record(&self, route: RouteIndex, stats: &RequestStats) {
        let &RequestStats { status, time, received_bytes, sent_bytes } = stats;
        let seconds = time.as_secs_f64();
        let series = &self.series[route.index()];
        let common = series.common.get_or_init(|| self.bind_common(route));
        common.duration.record(seconds);
        common.request_size.record(received_bytes);
        common.response_size.record(sent_bytes);
        series.with_status(
            status,
            || self.bind_status(route, status),
            |series| {
                series.requests.add(1);
                series.fine_duration.record(seconds);
            },
        );
    }

    fn bind_common(&self, route: RouteIndex) -> CommonSeries {
        let (method, endpoint) = self.routes.labels(route);
        let labels = [KeyValue::new(names::METHOD, method), KeyValue::new(names::ENDPOINT, endpoint)];
        CommonSeries {
            duration: self.duration.bind(&labels),
            request_size: self.request_size.bind(&labels),
            response_size: self.response_size.bind(&labels),
        }
    }

    fn bind_status(&self, route: RouteIndex, status: u16) -> StatusSeries {
        let (method, endpoint) = self.routes.labels(route);
        let semconv_labels = [
            KeyValue::new(names::SEMCONV_METHOD, method),
            KeyValue::new(names::SEMCONV_ROUTE, endpoint),
            KeyValue::new(names::SEMCONV_STATUS, i64::from(status)),
        ];
        StatusSeries {
            requests: self.requests.bind(&request_labels(method, endpoint, status)),
            fine_duration: self.fine_duration.bind(&semconv_labels),
        }
    }
}

impl RouteSeries {
    /// Calls `record` with the series of a status, which `bind` creates if they do not exist yet.
    fn with_status(
        &self,
        status: u16,
        bind: impl FnOnce() -> StatusSeries,
        record: impl FnOnce(&StatusSeries),
    ) {
        let find = |known: &[(u16, StatusSeries)]| known.iter().position(|(known, _)| *known == status);
        let known = self.by_status.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = find(&known) {
            return record(&known[index].1);
        }
        drop(known);
        let mut known = self.by_status.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added the status while the list was not locked.
        let index = find(&known).unwrap_or_else(|| {
            known.push((status, bind()));
            known.len() - 1
        });
        record(&known[index].1);
    }
}

fn request_labels(method: &'static str, endpoint: &'static str, status: u16) -> [KeyValue; 3] {
    [
        KeyValue::new(names::METHOD, method),
        KeyValue::new(names::ENDPOINT, endpoint),
        KeyValue::new(names::STATUS_CODE, i64::from(status)),
    ]
}
