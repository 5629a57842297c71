//! What every request goes through, written once.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Extension, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::{DefaultOnResponse, OnResponse, TraceLayer},
};
use tracing::{Span, error};

use super::manners::{self, REQUEST_ID};
use crate::{
    body::{BodyLimits, media_type},
    catalog::Error,
    config::Secret,
    formats::Format,
    problem::{self, Problem},
    telemetry::{
        http::{HttpMetrics, measure},
        traces,
    },
};

/// The rooms within their layers, outermost first; pages of these `origins` may use them.
pub fn wrap(rooms: Router, metrics: HttpMetrics, body: BodyLimits, origins: &[HeaderValue]) -> Router {
    let cross_origin = (!origins.is_empty()).then(|| manners::cross_origin(origins));
    rooms.fallback(no_route).method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            // The id comes before all that notes, logs or answers it; nothing can go wrong before it.
            .layer(middleware::map_request(drop_useless_headers))
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(TraceLayer::new_for_http().make_span_with(traces::span).on_response(answered))
            // Whatever happens below is counted.
            .layer(middleware::from_fn_with_state(metrics, measure))
            .layer(middleware::from_fn(manners::annotate))
            // Answers by itself what browsers ask before they send.
            .option_layer(cross_origin)
            .layer(manners::compression())
            // Outside of everything that makes problems.
            .layer(middleware::from_fn(problem::render))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn_with_state(body, time_out))
            .layer(Extension(body)),
    )
}

/// How many requests may be under way at a time.
#[derive(Clone)]
pub struct Places {
    /// For all but files.
    pub requests: Arc<Semaphore>,
    /// For files to be imported, which may take long to arrive: they leave the places of the others alone.
    files: Arc<Semaphore>,
}

impl Places {
    /// So many for requests, and a quarter as many for files.
    pub fn new(requests: u32) -> Self {
        let places =
            |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { requests: places(requests), files: places((requests / 4).max(1)) }
    }
}

/// Lets only so many requests at a time into these rooms; the others learn at once that they can't get in.
pub fn limit(rooms: Router, places: Places) -> Router {
    rooms.layer(middleware::from_fn_with_state(places, take_place))
}

async fn take_place(State(places): State<Places>, request: Request, next: Next) -> Response {
    let places = if brings_file(&request) { &places.files } else { &places.requests };
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::overloaded().into_response(),
    }
}

/// Lets only those into these rooms who show the token, if there is one.
pub fn for_bearers(rooms: Router, token: Option<&Secret>) -> Router {
    let Some(token) = token else {
        return rooms;
    };
    let wanted = Shown::digest(format!("Bearer {}", token.expose()).as_bytes());
    rooms.layer(middleware::from_fn_with_state(wanted, let_bearers_in))
}

/// A digest of a token: compared instead of it, so that the time it takes tells nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shown([u8; 32]);

impl Shown {
    fn digest(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

async fn let_bearers_in(State(wanted): State<Shown>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if Shown::digest(shown) == wanted {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    (challenge, Problem::unauthorized()).into_response()
}

/// Whether its body is a file to be imported.
fn brings_file(request: &Request) -> bool {
    let format = media_type(request.headers()).and_then(Format::of_media_type);
    matches!(format, Some(Format::Csv | Format::Ndjson))
}

/// A client's own id goes into every line and answer: it has to be short and printable.
async fn drop_useless_headers(mut request: Request) -> Request {
    // Who forbids the plain encoding too would get a 406 from the compressor, after all had been done.
    let accepted = request.headers().get_all(header::ACCEPT_ENCODING).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if accepted.any(|coding| coding.contains("q=0") && !coding.contains("q=0.")) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    let id = request.headers().get(&REQUEST_ID);
    if id.is_some_and(|id| id.is_empty() || id.len() > 128 || !id.as_bytes().iter().all(u8::is_ascii_graphic))
    {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

fn answered(response: &Response, latency: Duration, span: &Span) {
    traces::answered(response.status(), span);
    DefaultOnResponse::new().on_response(response, latency, span);
}

async fn no_route(uri: Uri) -> Problem {
    Problem::no_route(uri.path())
}

/// `OPTIONS` asks for just the `Allow` that such an answer carries.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::method_not_allowed(method.as_str()).into_response()
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or(panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.unwrap_or("(no text)"), "a handler panicked");
    Problem::from(Error::Internal).into_response()
}

async fn time_out(State(limits): State<BodyLimits>, request: Request, next: Next) -> Response {
    // The body's time and the same again for the answer.
    let limit = if brings_file(&request) { limits.import_time } else { limits.time * 2 };
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_| Problem::timeout().into_response())
}
