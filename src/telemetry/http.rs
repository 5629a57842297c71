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
    response::Response,
};
use futures_util::FutureExt;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    instruments::{Ended, HttpMetrics},
    routes::{RouteIndex, sent_method},
    slow_requests::{self, SlowRequest},
    traces,
};
use crate::{
    http::media_type::media_type,
    request_context::{self, RequestId, RequestInfo},
};

/// The status that is counted when the client left before the answer (nginx's).
const CLIENT_LEFT: u16 = 499;

/// The status that is counted when an answer broke off, whatever its head had promised.
const BROKEN_OFF: u16 = 500;

/// A body that is no larger goes out with its head.
const SMALL: u64 = 16 << 10;

/// A request under way. It is recorded when its answer has been sent, or is given up.
pub struct RequestRecorder(Record);

impl RequestRecorder {
    /// Begins with a request of this id to an `endpoint`; without one, to that of the route which it has matched.
    pub fn begin(
        metrics: HttpMetrics,
        endpoint: Option<&'static str>,
        id: RequestId,
        request: &mut Request,
    ) -> Self {
        let matched = || request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let endpoint = endpoint.or_else(matched);
        let (span, trace) = traces::span(request, endpoint, &id);
        let route = metrics.routes().place(request.method(), endpoint);
        let info = RequestInfo {
            id,
            method: sent_method(request.method()),
            // Copied: what refers to a request's head keeps all of its connection's buffer.
            path: request.uri().path().into(),
            trace: trace.map(|trace| u128::from_be_bytes(trace.to_bytes())),
        };
        let start = Instant::now();
        metrics.begun();
        let mut record = Record {
            start,
            route,
            under_way: request_context::RequestContext::new(info, span),
            status: CLIENT_LEFT,
            is_stream: false,
            head: Duration::ZERO,
            whole: None,
            received: None,
            sent: 0,
            metrics,
        };
        // Most requests have no body to be counted.
        if !request.body().is_end_stream() {
            let received = record.received.insert(Arc::default()).clone();
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = Body::new(Arriving { body, received });
        }
        Self(record)
    }

    /// When it began.
    pub fn start(&self) -> Instant {
        self.0.start
    }

    /// Runs it to the head of its answer, with the time that took. The record goes with the answer's body, until it ends;
    /// it ends here where that is small and there already: it goes out in one piece with the head.
    pub fn end<F: Future<Output = (Response, Duration)>>(self, run: F) -> impl Future<Output = Response> {
        let Self(record) = self;
        let within = Within { run, under_way: record.under_way.clone() };
        within.map(move |(response, head)| record.answered(response, head))
    }
}

pin_project! {
    /// What a request does until the head of its answer.
    struct Within<F> {
        #[pin]
        run: F,
        under_way: request_context::RequestContext,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.under_way.in_scope(|| this.run.poll(context))
    }
}

/// Records its request when it is dropped, however that comes about.
struct Record {
    start: Instant,
    route: RouteIndex,
    under_way: request_context::RequestContext,
    status: u16,
    /// Its end is its client's wish.
    is_stream: bool,
    /// Until the answer's head.
    head: Duration,
    /// Until its end, if that is known: where it goes out in one piece with the head.
    whole: Option<Duration>,
    /// Bytes of the request's body that have arrived; none where it has no body.
    received: Option<Arc<AtomicU64>>,
    /// Bytes of the answer's body.
    sent: u64,
    metrics: HttpMetrics,
}

impl Drop for Record {
    fn drop(&mut self) {
        let time = self.whole.unwrap_or_else(|| self.start.elapsed());
        let received = self.received.as_ref().map_or(0, |received| received.load(Ordering::Relaxed));
        self.metrics.ended(self.route, Ended { status: self.status, time, received, sent: self.sent });
        if !self.is_stream {
            self.metrics.slow().note(self.route, self.start, time, || self.describe(time));
        }
    }
}

impl Record {
    /// The answer's head is there.
    fn answered(mut self, response: Response, head: Duration) -> Response {
        traces::answered(response.status(), self.under_way.span());
        self.status = response.status().as_u16();
        self.head = head;
        if let Some(size) = response.body().size_hint().exact().filter(|size| *size <= SMALL) {
            self.sent = size;
            self.whole = Some(head);
            return response;
        }
        self.is_stream = media_type(response.headers()) == Some("text/event-stream");
        response.map(|body| Body::new(Leaving { body, record: self }))
    }

    fn describe(&self, time: Duration) -> SlowRequest {
        let (method, endpoint) = self.metrics.routes().labels(self.route);
        let info = self.under_way.info();
        SlowRequest {
            method,
            endpoint,
            at: slow_requests::moment(time),
            path: slow_requests::cut(&info.path),
            status: self.status,
            seconds: time.as_secs_f64(),
            head_seconds: self.head.as_secs_f64(),
            sql_seconds: self.under_way.statement_time().as_secs_f64(),
            sql_statements: self.under_way.statements(),
            connection_wait_seconds: self.under_way.waiting_time().as_secs_f64(),
            response_bytes: self.sent,
            request_id: info.id.to_string(),
            trace_id: info.trace_id(),
        }
    }
}

pin_project! {
    /// The body of a request, whose bytes are counted as they arrive.
    struct Arriving {
        #[pin]
        body: Body,
        received: Arc<AtomicU64>,
    }
}

pin_project! {
    /// The body of an answer, a part of its request.
    struct Leaving {
        #[pin]
        body: Body,
        record: Record,
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let this = self.project();
        let frame = this.body.poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            this.received.fetch_add(length(frame), Ordering::Relaxed);
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

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let this = self.project();
        let under_way = &this.record.under_way;
        let frame = under_way.in_scope(|| this.body.poll_frame(context));
        match &frame {
            Poll::Ready(Some(Ok(frame))) => this.record.sent += length(frame),
            Poll::Ready(Some(Err(error))) => {
                this.record.status = BROKEN_OFF;
                under_way.span().record("otel.status_code", "ERROR");
                under_way.in_scope(|| tracing::error!(%error, "the answer broke off"));
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

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
