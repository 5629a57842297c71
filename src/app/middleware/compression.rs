//! Compresses large responses.

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

/// Bytes below which a response fits one packet, compressed or not.
const MIN_COMPRESSED_SIZE: u64 = 1024;

/// Returns the encodings that a client accepts.
pub fn accepted_encodings(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(detached).collect()
}

/// Copies a value: a clone would keep the 8 KiB that the request's headers were read into.
fn detached(value: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// Whether a response is large enough. Event streams stay as they are, and so do responses that are compressed already or
/// have a strong entity tag, which belongs to the exact bytes (RFC 9110 section 8.8.1).
pub fn should_compress(response: &Response) -> bool {
    let has = |name| response.headers().contains_key(name);
    SizeAbove::new(MIN_COMPRESSED_SIZE).and(NotForContentType::SSE).should_compress(response)
        && !has(header::ETAG)
        && !has(header::CONTENT_ENCODING)
}

/// Compresses a response with the encoding that the client prefers, on the background runtime.
pub async fn compress(accepted_encodings: Vec<HeaderValue>, response: Response) -> Response {
    let mut request = Request::new(());
    let accepted = accepted_encodings.into_iter().map(|encoding| (header::ACCEPT_ENCODING, encoding));
    request.headers_mut().extend(accepted);
    let status = response.status();
    let mut response = Some(response);
    let service = service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let Ok(response) =
        CompressionLayer::new().compress_when(SizeAbove::new(0)).layer(service).oneshot(request).await;
    let mut response = response.map(Body::new);
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        response = response.map(background_runtime::stream_body);
    }
    // The layer responds with 406 if a client accepts no encoding, not even `identity`: too late for finished work.
    *response.status_mut() = status;
    response
}
