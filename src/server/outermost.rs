//! The layer around all others: whatever happens below has an id, by which it is logged and traced, is counted and timed,
//! and is compressed where that is worth it.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header::InvalidHeaderValue},
    response::Response,
};
use futures_util::{FutureExt, future::ready};
use tracing::{debug, error};
use uuid::Uuid;

use super::{
    around::Around,
    manners::{self, REQUEST_ID},
};
use crate::{
    problem,
    request::RequestId,
    telemetry::{HttpMetrics, http::Measured},
};

/// Whatever happens below is measured.
#[derive(Clone)]
pub struct Outermost {
    /// By these.
    pub metrics: HttpMetrics,
    /// As requests to this; none where the router tells it of each.
    pub endpoint: Option<&'static str>,
}

impl Around for Outermost {
    fn answer<F>(
        &self,
        mut request: Request,
        inner: impl FnOnce(Request) -> F,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self { metrics, endpoint } = self;
        let id = identify(request.headers());
        let codings = manners::codings(request.headers());
        let measured = Measured::begin(metrics.clone(), *endpoint, id.clone(), &mut request);
        let start = measured.start();
        // No async block: it would have room for what it was given, and again for what it awaits, to be copied along.
        let run = inner(request).then(move |Ok(response)| {
            let (response, time) = finish(response, &id, start);
            if manners::is_worth_compressing(&response) {
                let compressed = manners::compress(codings, response);
                // Boxed: its state is large, and most answers need none of it.
                return Box::pin(compressed.map(move |response| (response, time))).right_future();
            }
            ready((response, time)).left_future()
        });
        measured.end(run).map(Ok)
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
    manners::annotate(response.headers_mut(), time);
    if let Ok(id) = header(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    (response, time)
}

fn header(id: &RequestId) -> Result<HeaderValue, InvalidHeaderValue> {
    match id {
        RequestId::Sent(id) => HeaderValue::from_str(id),
        RequestId::Made(id) => {
            HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        }
    }
}

/// Who sends no id gets one. It goes into every line and answer: a client's own has to be short and printable.
fn identify(headers: &HeaderMap) -> RequestId {
    let is_useful =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let sent = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_useful);
    sent.map_or_else(|| RequestId::Made(Uuid::new_v4()), |id| RequestId::Sent(id.into()))
}
