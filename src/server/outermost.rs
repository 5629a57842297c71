//! The layer around all others: whatever happens below has an id, is counted and timed, is logged and traced in one
//! span, and is compressed where that is worth it.

use std::{convert::Infallible, pin::pin};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use tracing::{debug, error};
use uuid::Uuid;

use super::{
    around::{Answer, Around},
    manners::{self, REQUEST_ID},
};
use crate::{
    problem,
    telemetry::{HttpMetrics, http::Measured},
    under_way::RequestId,
};

/// Whatever happens below is measured by these.
#[derive(Clone)]
pub struct Outermost(pub HttpMetrics);

impl Around for Outermost {
    fn answer<F>(&self, mut request: Request, inner: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self(metrics) = self;
        let id = identify(request.headers());
        let codings = manners::codings(request.headers());
        let measured = Measured::begin(metrics.clone(), id.clone(), &mut request);
        let start = measured.start();
        let answer = inner(request);
        Box::pin(async move {
            // Pinned here: what is moved from future to future is copied each time.
            let mut answer = pin!(answer);
            let run = async {
                let Ok(response) = answer.as_mut().await;
                let mut response = problem::render(response, &id);
                let (status, time) = (response.status(), start.elapsed());
                if status.is_server_error() {
                    error!(status = status.as_u16(), ?time, "response failed");
                } else {
                    debug!(status = status.as_u16(), ?time, "answered");
                }
                manners::annotate(response.headers_mut(), time);
                response.headers_mut().insert(REQUEST_ID, id.to_header());
                if manners::is_worth_compressing(&response) {
                    // Boxed: its state is large, and most answers need none of it.
                    response = Box::pin(manners::compress(codings, response)).await;
                }
                (response, time)
            };
            Ok(measured.end(pin!(run)).await)
        })
    }
}

/// Who sends no id gets one. It goes into every line and answer: a client's own has to be short and printable.
fn identify(headers: &HeaderMap) -> RequestId {
    let is_useful =
        |id: &&HeaderValue| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    let sent = headers.get(&REQUEST_ID).filter(is_useful).and_then(manners::copied);
    sent.map_or_else(|| RequestId::Made(Uuid::new_v4()), RequestId::Sent)
}
