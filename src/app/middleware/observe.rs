//! The layer around all others: whatever happens below has an id, by which it is logged and traced, is counted and timed,
//! and is compressed where that is worth it.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{extract::Request, response::Response};
use futures_util::{FutureExt, future::ready};
use tracing::{debug, error};

use super::{
    async_layer::Middleware,
    compression,
    request_id::{self, REQUEST_ID},
    response_headers,
};
use crate::{
    http::problem,
    request_context::RequestId,
    telemetry::{HttpMetrics, http::RequestRecorder},
};

/// Whatever happens below is measured.
#[derive(Clone)]
pub struct Observe {
    /// By these.
    pub metrics: HttpMetrics,
    /// As requests to this; none where the router tells it of each.
    pub endpoint: Option<&'static str>,
}

impl Middleware for Observe {
    fn call<F>(
        &self,
        mut request: Request,
        inner: impl FnOnce(Request) -> F,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self { metrics, endpoint } = self;
        let id = request_id::identify(request.headers());
        let accepted_encodings = compression::accepted_encodings(request.headers());
        let measured = RequestRecorder::start(metrics.clone(), *endpoint, id.clone(), &mut request);
        let start = measured.started_at();
        // No async block: it would have room for what it was given, and again for what it awaits, to be copied along.
        let run = inner(request).then(move |Ok(response)| {
            let (response, time) = finish(response, &id, start);
            if compression::should_compress(&response) {
                let compressed = compression::compress(accepted_encodings, response);
                // Boxed: its state is large, and most answers need none of it.
                return Box::pin(compressed.map(move |response| (response, time))).right_future();
            }
            ready((response, time)).left_future()
        });
        measured.run(run).map(Ok)
    }
}

/// Gives an answer the headers that all have, logs it, and tells how long it took.
fn finish(response: Response, id: &RequestId, start: Instant) -> (Response, Duration) {
    let mut response = problem::render(response, id);
    let (status, time) = (response.status(), start.elapsed());
    if status.is_server_error() {
        error!(status = status.as_u16(), ?time, "response failed");
    } else {
        debug!(status = status.as_u16(), ?time, "answered");
    }
    response_headers::set_default_headers(response.headers_mut(), time);
    if let Ok(id) = request_id::header(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    (response, time)
}
