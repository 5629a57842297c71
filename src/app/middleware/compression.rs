//! Compresses responses where that is worth it.

use std::{convert::Infallible, future::ready};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
    response::Response,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::{
    CompressionLayer,
    predicate::{NotForContentType, Predicate, SizeAbove},
};

use crate::background_runtime;

/// Below this an answer fits one packet, compressed or not.
const MIN_COMPRESSED_SIZE: u64 = 1024;

/// The codings that a client takes.
pub fn accepted_encodings(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(detached).collect()
}

/// A value of its own: a clone keeps the buffer that the whole head was read into.
pub fn detached(value: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// What is large enough; a stream of events is not, nor is what has been compressed, or has a strong entity tag, which is of
/// the exact bytes (RFC 9110 section 8.8.1).
pub fn should_compress(response: &Response) -> bool {
    let has = |name| response.headers().contains_key(name);
    SizeAbove::new(MIN_COMPRESSED_SIZE).and(NotForContentType::SSE).should_compress(response)
        && !has(header::ETAG)
        && !has(header::CONTENT_ENCODING)
}

/// Compresses an answer by one of the codings, if there is one that we know.
pub async fn compress(accepted_encodings: Vec<HeaderValue>, response: Response) -> Response {
    let mut request = Request::new(());
    request
        .headers_mut()
        .extend(accepted_encodings.into_iter().map(|coding| (header::ACCEPT_ENCODING, coding)));
    let status = response.status();
    let mut response = Some(response);
    let answer = service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let Ok(response) =
        CompressionLayer::new().compress_when(SizeAbove::new(0)).layer(answer).oneshot(request).await;
    let mut response = response.map(Body::new);
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        response = response.map(background_runtime::stream_body);
    }
    // Who forbids the plain encoding too gets it all the same, instead of a 406 for what has been done.
    *response.status_mut() = status;
    response
}
