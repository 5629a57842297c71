//! What clients expect of any good HTTP server: compression, caching, timing, other origins.

use std::{convert::Infallible, future::ready, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header},
    response::Response,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::{
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
};

use crate::{
    aside,
    rest::{
        idempotency::{IDEMPOTENCY_KEY, REPLAYED},
        prefer::{PREFER, PREFERENCE_APPLIED},
    },
};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Names a request in every answer, problem and log line.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Below this an answer fits one packet, compressed or not.
const WORTH_COMPRESSING: u64 = 1024;

/// The codings that a client takes.
pub fn codings(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(copied).collect()
}

/// A value of its own: a clone keeps the buffer that the whole head was read into.
pub fn copied(value: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// What is large enough; a stream of events is not, nor is what has been compressed, or has a strong entity tag, which is of
/// the exact bytes (RFC 9110 section 8.8.1).
pub fn is_worth_compressing(response: &Response) -> bool {
    let has = |name| response.headers().contains_key(name);
    SizeAbove::new(WORTH_COMPRESSING).and(NotForContentType::SSE).should_compress(response)
        && !has(header::ETAG)
        && !has(header::CONTENT_ENCODING)
}

/// Compresses an answer by one of the codings, if there is one that we know.
pub async fn compress(codings: Vec<HeaderValue>, response: Response) -> Response {
    let mut request = Request::new(());
    request.headers_mut().extend(codings.into_iter().map(|coding| (header::ACCEPT_ENCODING, coding)));
    let status = response.status();
    let mut response = Some(response);
    let answer = service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let Ok(response) =
        CompressionLayer::new().compress_when(SizeAbove::new(0)).layer(answer).oneshot(request).await;
    let mut response = response.map(Body::new);
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        response = response.map(aside::body);
    }
    // Who forbids the plain encoding too gets it all the same, instead of a 406 for what has been done.
    *response.status_mut() = status;
    response
}

/// Lets pages of these origins use the server; `*` is any. Without any, browsers keep them out.
pub fn cross_origin(origins: &[HeaderValue]) -> CorsLayer {
    let any = origins.iter().any(|origin| origin == "*");
    let origins = if any { AllowOrigin::any() } else { AllowOrigin::list(origins.iter().cloned()) };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            IDEMPOTENCY_KEY,
            PREFER,
            REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            PREFERENCE_APPLIED,
            REPLAYED,
            REQUEST_ID,
            SERVER_TIMING,
            TOTAL_COUNT,
        ])
}

/// Says how long the answer took to begin, and that it is to be asked for again before it is used again.
pub fn annotate(headers: &mut HeaderMap, time: Duration) {
    let mut digits = itoa::Buffer::new();
    let mut timing = String::with_capacity(24);
    timing.push_str("total;dur=");
    timing.push_str(digits.format(time.as_millis()));
    timing.push('.');
    // Three digits: the first of four is cut off.
    timing.push_str(&digits.format(1000 + time.subsec_micros() % 1000)[1..]);
    if let Ok(timing) = HeaderValue::try_from(timing) {
        headers.insert(SERVER_TIMING, timing);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
}
