//! Records every request in metrics, traces and the slow request log, including unmatched, rejected and
//! aborted requests.

use std::{
    net::IpAddr,
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
    extract::Request,
    http::{HeaderMap, header},
    response::Response,
};
use futures_util::FutureExt;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::{Level, enabled, info};

use super::{
    instruments::{HttpMetrics, RequestStats},
    routes::{RouteIndex, original_method},
    slow_requests::{self, SlowRequest},
    traces::{self, ClientTrace},
};
use crate::request_context::{RequestContext, RequestId, RequestInfo};

/// Target of the access log: one line for each request, written after the end of its response.
pub const ACCESS_LOG_TARGET: &str = "access";

/// Status recorded if the client disconnects before the response starts, as in nginx.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Status recorded if the response body fails, regardless of the status that was sent.
const ABORTED_RESPONSE: u16 = 500;

/// Maximum size in bytes of a body that is written together with its headers. Recording such a response needs
/// no wrapper around its body.
const MAX_SINGLE_WRITE_SIZE: u64 = 16 << 10;

/// A request in progress. It is recorded after its response is sent or aborted.
pub struct RequestRecorder(RequestRecord);

impl RequestRecorder {
    /// Starts recording a request. `endpoint` is the template of the request's path, or `None` if no route
    /// has the path.
    pub fn start(
        metrics: HttpMetrics,
        endpoint: Option<&'static str>,
        id: RequestId,
        address: IpAddr,
        client_trace: ClientTrace,
        request: &mut Request,
    ) -> Self {
        let (span, trace) = traces::request_span(request, endpoint, &id, client_trace);
        let route = metrics.routes().route_index(request.method(), endpoint);
        let info = RequestInfo {
            id,
            method: original_method(request.method()),
            // Copied, because a reference to the request headers would keep the connection's whole read
            // buffer in memory.
            path: request.uri().path().into(),
            address,
            trace: trace.map(|trace| u128::from_be_bytes(trace.to_bytes())),
        };
        let start = Instant::now();
        metrics.request_started();
        let mut record = RequestRecord {
            start,
            route,
            context: RequestContext::new(info, span),
            status: CLIENT_CLOSED_REQUEST,
            is_stream: false,
            time_to_headers: Duration::ZERO,
            total_time: None,
            received_bytes: None,
            sent_bytes: 0,
            metrics,
        };
        // Most requests have no body and need no counter.
        if !request.body().is_end_stream() {
            let received_bytes = record.received_bytes.insert(Arc::default()).clone();
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = Body::new(CountedRequestBody { body, received_bytes });
        }
        Self(record)
    }

    pub fn started_at(&self) -> Instant {
        self.0.start
    }

    /// Runs the request within its context and returns the response. `future` returns the response and the
    /// time until its headers were ready. A small response is recorded at once, any other response after its
    /// body ends.
    pub fn run<F: Future<Output = (Response, Duration)>>(self, future: F) -> impl Future<Output = Response> {
        let Self(record) = self;
        let in_context = InContext { future, context: record.context.clone() };
        in_context.map(move |(response, time_to_headers)| record.response_ready(response, time_to_headers))
    }
}

pin_project! {
    /// Polls a future within a request's context.
    struct InContext<F> {
        #[pin]
        future: F,
        context: RequestContext,
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.context.in_scope(|| this.future.poll(context))
    }
}

/// Measurements of a request. They are recorded on drop, which also happens if the client disconnects or a
/// handler panics.
struct RequestRecord {
    start: Instant,
    route: RouteIndex,
    context: RequestContext,
    status: u16,
    /// Whether the response is an event stream, which ends only when the client or the server closes it.
    is_stream: bool,
    time_to_headers: Duration,
    /// Time until the end of the response, if it was sent together with its headers.
    total_time: Option<Duration>,
    /// Bytes of the request body received so far, or `None` if the request has no body.
    received_bytes: Option<Arc<AtomicU64>>,
    /// Bytes of the response body.
    sent_bytes: u64,
    metrics: HttpMetrics,
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let time = self.total_time.unwrap_or_else(|| self.start.elapsed());
        let received_bytes = self.received_bytes.as_ref().map_or(0, |bytes| bytes.load(Ordering::Relaxed));
        let stats = RequestStats { status: self.status, time, received_bytes, sent_bytes: self.sent_bytes };
        self.metrics.request_finished(self.route, &stats);
        self.log(&stats);
        if !self.is_stream {
            self.metrics.slow_requests().record(self.route, self.start, time, || self.describe(time));
        }
    }
}

impl RequestRecord {
    /// Records the response headers and returns the response. The record is attached to the body unless the
    /// body is small.
    fn response_ready(mut self, response: Response, time_to_headers: Duration) -> Response {
        traces::record_response(response.status(), self.context.span());
        self.status = response.status().as_u16();
        self.time_to_headers = time_to_headers;
        let size = response.body().size_hint().exact();
        if let Some(size) = size.filter(|size| *size <= MAX_SINGLE_WRITE_SIZE) {
            self.sent_bytes = size;
            self.total_time = Some(time_to_headers);
            return response;
        }
        self.is_stream = is_event_stream(response.headers());
        response.map(|body| Body::new(RecordedResponseBody { body, record: self }))
    }

    /// Writes the access log.
    fn log(&self, RequestStats { status, time, received_bytes, sent_bytes }: &RequestStats) {
        if !enabled!(target: ACCESS_LOG_TARGET, Level::INFO) {
            return;
        }
        let (_, route) = self.metrics.routes().labels(self.route);
        let seconds = time.as_secs_f64();
        self.context.in_scope(
            || info!(target: ACCESS_LOG_TARGET, route, status, seconds, received_bytes, sent_bytes, "request"),
        );
    }

    fn describe(&self, time: Duration) -> SlowRequest {
        let (method, endpoint) = self.metrics.routes().labels(self.route);
        let info = self.context.info();
        SlowRequest {
            method,
            endpoint,
            at: slow_requests::rfc3339_ago(time),
            path: slow_requests::truncate_path(&info.path),
            status: self.status,
            seconds: time.as_secs_f64(),
            head_seconds: self.time_to_headers.as_secs_f64(),
            sql_seconds: self.context.statement_time().as_secs_f64(),
            sql_statements: self.context.statements(),
            connection_wait_seconds: self.context.acquire_wait().as_secs_f64(),
            response_bytes: self.sent_bytes,
            request_id: info.id.to_string(),
            trace_id: info.trace_id(),
        }
    }
}

pin_project! {
    /// Request body that counts its bytes as they are received.
    struct CountedRequestBody {
        #[pin]
        body: Body,
        received_bytes: Arc<AtomicU64>,
    }
}

pin_project! {
    /// Response body that is polled within its request's context. The request is recorded when the body is
    /// dropped.
    struct RecordedResponseBody {
        #[pin]
        body: Body,
        record: RequestRecord,
    }
}

type FramePoll = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

impl HttpBody for CountedRequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> FramePoll {
        let this = self.project();
        let frame = this.body.poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            this.received_bytes.fetch_add(data_len(frame), Ordering::Relaxed);
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

impl HttpBody for RecordedResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> FramePoll {
        let this = self.project();
        let request = &this.record.context;
        let frame = request.in_scope(|| this.body.poll_frame(context));
        match &frame {
            Poll::Ready(Some(Ok(frame))) => this.record.sent_bytes += data_len(frame),
            Poll::Ready(Some(Err(error))) => {
                this.record.status = ABORTED_RESPONSE;
                request.span().record("otel.status_code", "ERROR");
                request.in_scope(|| tracing::error!(%error, "response aborted"));
            }
            _ => {}
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

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

fn data_len(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
