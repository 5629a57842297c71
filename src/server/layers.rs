//! What every request goes through, written once.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::request_id::RequestId;
use tracing::{debug, error};

use super::manners::{self, REQUEST_ID};
use crate::{
    body::{BodyLimits, media_type},
    catalog::Error,
    config::Secret,
    formats::Format,
    panics,
    problem::{self, Problem},
    telemetry::{HttpMetrics, http::measure, traces},
};

/// The rooms within their layers; pages of these `origins` may use them.
///
/// Two functions hold most of what could be a layer each: every layer costs each request copies and an allocation.
pub fn wrap(rooms: Router, metrics: HttpMetrics, body: BodyLimits, origins: &[HeaderValue]) -> Router {
    let cross_origin = (!origins.is_empty()).then(|| manners::cross_origin(origins));
    rooms.fallback(no_route).method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(metrics, outermost))
            // Answers by itself what browsers ask before they send.
            .option_layer(cross_origin)
            .layer(manners::compression())
            .layer(middleware::from_fn_with_state(body, innermost)),
    )
}

/// Whatever happens below has an id, is counted and timed, and is logged and traced in one span.
async fn outermost(State(metrics): State<HttpMetrics>, mut request: Request, next: Next) -> Response {
    drop_useless_headers(request.headers_mut());
    let id = identify(&mut request);
    let span = traces::span(&request);
    let start = Instant::now();
    let run = async |request| {
        let mut response = next.run(request).await;
        let (status, time) = (response.status(), start.elapsed());
        if status.is_server_error() {
            error!(status = status.as_u16(), ?time, "response failed");
        } else {
            debug!(status = status.as_u16(), ?time, "answered");
        }
        manners::annotate(response.headers_mut(), time);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    };
    let response = measure(metrics, span.clone(), request, run).await;
    traces::answered(response.status(), &span);
    response
}

/// Whatever goes wrong below becomes a problem.
async fn innermost(State(body): State<BodyLimits>, mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    // The body's time and the same again for the answer.
    let limit = if brings_file(&request) { body.import_time } else { body.time * 2 };
    request.extensions_mut().insert(body);
    let run = AssertUnwindSafe(tokio::time::timeout(limit, next.run(request))).catch_unwind();
    let response = match run.await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::timeout().into_response(),
        Err(panic) => panicked(&*panic),
    };
    problem::render(response, id.as_ref())
}

/// Who sends no id gets one.
fn identify(request: &mut Request) -> HeaderValue {
    let id = request.headers().get(&REQUEST_ID).cloned().unwrap_or_else(|| {
        let mut text = uuid::Uuid::encode_buffer();
        let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
    });
    request.extensions_mut().insert(RequestId::new(id.clone()));
    id
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
fn drop_useless_headers(headers: &mut HeaderMap) {
    // Who forbids the plain encoding too would get a 406 from the compressor, after all had been done.
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if accepted.any(|coding| coding.contains("q=0") && !coding.contains("q=0.")) {
        headers.remove(header::ACCEPT_ENCODING);
    }
    let id = headers.get(&REQUEST_ID);
    if id.is_some_and(|id| id.is_empty() || id.len() > 128 || !id.as_bytes().iter().all(u8::is_ascii_graphic))
    {
        headers.remove(&REQUEST_ID);
    }
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

fn panicked(panic: &(dyn Any + Send)) -> Response {
    error!(panic = panics::text(panic), "a handler panicked");
    Problem::from(Error::Internal).into_response()
}
