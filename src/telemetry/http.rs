//! Counts and times every request, as the outermost layer: 404s, refusals, panics and vanished clients too.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request},
    http::{Method, Uri},
    response::Response,
};
use http_body::{Frame, SizeHint};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, UpDownCounter},
    trace::TraceId,
};
use pin_project_lite::pin_project;
use tower_http::request_id::RequestId;
use tracing::{Instrument, Span};

use super::{
    names,
    slow::{self, SlowBook, SlowRequest},
    traces,
};
use crate::{body::media_type, spent::Spent};

/// The status that is counted when the client left before the answer (nginx's).
const CLIENT_LEFT: u16 = 499;

/// The status that is counted when an answer broke off, whatever its head had promised.
const BROKEN_OFF: u16 = 500;

/// The instruments of the requests. Cheap to clone.
#[derive(Clone)]
pub struct HttpMetrics(Arc<Instruments>);

struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
    fine_duration: Histogram<f64>,
    request_size: Histogram<u64>,
    response_size: Histogram<u64>,
    in_flight: UpDownCounter<i64>,
    slow: SlowBook,
    /// Labels are taken from here, not from requests: their number is bounded whatever clients send.
    endpoints: Vec<&'static str>,
}

/// A method, a route and its usual statuses.
pub type Route = (&'static str, &'static str, &'static [u16]);

impl HttpMetrics {
    /// Instruments whose counters exist at 0 for these routes, so that `rate()` sees the first request.
    pub fn new(
        meter: &Meter,
        duration_buckets: &[f64],
        size_buckets: &[f64],
        routes: &[Route],
        slow: SlowBook,
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
        let in_flight = meter
            .i64_up_down_counter(names::HTTP_REQUESTS_IN_FLIGHT)
            .with_description("Requests whose answers have not ended")
            .build();
        for (method, endpoint, statuses) in routes {
            for status in *statuses {
                requests.add(0, &request_labels(method, endpoint, *status));
            }
        }
        let mut endpoints: Vec<_> = routes.iter().map(|(_, endpoint, _)| *endpoint).collect();
        endpoints.dedup();
        Self(Arc::new(Instruments {
            requests,
            duration,
            fine_duration,
            request_size,
            response_size,
            in_flight,
            slow,
            endpoints,
        }))
    }

    fn endpoint(&self, request: &Request) -> &'static str {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        self.0.endpoints.iter().find(|known| path == Some(known)).copied().unwrap_or(names::UNMATCHED)
    }
}

/// Runs a request within its span. It is recorded when its answer has been sent, or is given up.
pub async fn measure<F>(
    metrics: HttpMetrics,
    span: Span,
    request: Request,
    run: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    metrics.0.in_flight.add(1, &[]);
    let mut record = Record {
        start: Instant::now(),
        method: method_label(request.method()),
        endpoint: metrics.endpoint(&request),
        path: request.uri().clone(),
        id: request.extensions().get::<RequestId>().cloned(),
        trace: traces::id(&span, &request),
        status: CLIENT_LEFT,
        is_stream: false,
        head: Duration::ZERO,
        received: Received::default(),
        sent: 0,
        spent: Spent::default(),
        metrics,
    };
    let spent = record.spent.clone();
    // Most requests have no body to be counted.
    let request = if request.body().is_end_stream() {
        request
    } else {
        let Received(received) = record.received.clone();
        let watch = move |frame: &Result<Frame<Bytes>, _>| {
            if let Ok(frame) = frame {
                received.fetch_add(length(frame), Ordering::Relaxed);
            }
        };
        let (spent, span) = (spent.clone(), span.clone());
        request.map(|body| Body::new(Watched { body, spent, span, watch }))
    };
    let response = spent.clone().watch(run(request)).instrument(span.clone()).await;
    record.status = response.status().as_u16();
    record.head = record.start.elapsed();
    record.is_stream = media_type(response.headers()) == Some("text/event-stream");
    // The record goes with the body, until it ends.
    let watch = move |frame: &Result<Frame<Bytes>, _>| {
        // All of it, not its numbers alone.
        let record = &mut record;
        match frame {
            Ok(frame) => record.sent += length(frame),
            Err(error) => {
                tracing::error!(%error, "the answer broke off");
                Span::current().record("otel.status_code", "ERROR");
                record.status = BROKEN_OFF;
            }
        }
    };
    response.map(|body| Body::new(Watched { body, spent, span, watch }))
}

/// Records its request when it is dropped, however that comes about.
struct Record {
    start: Instant,
    method: &'static str,
    endpoint: &'static str,
    path: Uri,
    id: Option<RequestId>,
    trace: Option<TraceId>,
    status: u16,
    /// Its end is its client's wish.
    is_stream: bool,
    /// Until the answer's head.
    head: Duration,
    received: Received,
    /// Bytes of the answer's body.
    sent: u64,
    spent: Spent,
    metrics: HttpMetrics,
}

/// Bytes of the request's body that have arrived.
#[derive(Clone, Default)]
struct Received(Arc<AtomicU64>);

impl Drop for Record {
    fn drop(&mut self) {
        let labels = request_labels(self.method, self.endpoint, self.status);
        let instruments = &self.metrics.0;
        let time = self.start.elapsed();
        let seconds = time.as_secs_f64();
        instruments.requests.add(1, &labels);
        instruments.duration.record(seconds, &labels[..2]);
        instruments.request_size.record(self.received.0.load(Ordering::Relaxed), &labels[..2]);
        instruments.response_size.record(self.sent, &labels[..2]);
        let labels = [
            KeyValue::new(names::SEMCONV_METHOD, self.method),
            KeyValue::new(names::SEMCONV_ROUTE, self.endpoint),
            KeyValue::new(names::SEMCONV_STATUS, i64::from(self.status)),
        ];
        instruments.fine_duration.record(seconds, &labels);
        instruments.in_flight.add(-1, &[]);
        if !self.is_stream {
            instruments.slow.note((self.method, self.endpoint), self.start, time, || self.describe(time));
        }
    }
}

impl Record {
    fn describe(&self, time: Duration) -> SlowRequest {
        let id = self.id.as_ref().and_then(|id| id.header_value().to_str().ok());
        SlowRequest {
            method: self.method,
            endpoint: self.endpoint,
            at: slow::moment(time),
            path: slow::cut(self.path.path()),
            status: self.status,
            seconds: time.as_secs_f64(),
            head_seconds: self.head.as_secs_f64(),
            sql_seconds: self.spent.time().as_secs_f64(),
            sql_statements: self.spent.statements(),
            connection_wait_seconds: self.spent.waiting().as_secs_f64(),
            response_bytes: self.sent,
            request_id: id.unwrap_or_default().to_owned(),
            trace_id: self.trace.map(|trace| trace.to_string()),
        }
    }
}

/// The duration's labels are the first two.
fn request_labels(method: &'static str, endpoint: &'static str, status: u16) -> [KeyValue; 3] {
    [
        KeyValue::new(names::METHOD, method),
        KeyValue::new(names::ENDPOINT, endpoint),
        KeyValue::new(names::STATUS_CODE, i64::from(status)),
    ]
}

pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => names::OTHER_METHOD,
    }
}

pin_project! {
    /// A body whose frames are watched as they pass, in the request's span; what they cost is on its account.
    struct Watched<W> {
        #[pin]
        body: Body,
        spent: Spent,
        span: Span,
        watch: W,
    }
}

impl<W> HttpBody for Watched<W>
where
    W: FnMut(&Result<Frame<Bytes>, axum::Error>),
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        let frame = this.span.in_scope(|| this.spent.within(|| this.body.poll_frame(context)));
        if let Poll::Ready(Some(frame)) = &frame {
            (this.watch)(frame);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
