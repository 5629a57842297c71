//! Compresses large responses.

use std::{convert::Infallible, future::ready};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
    response::Response,
};
use futures_util::StreamExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
};

use crate::{background_runtime, http::limits::budget::Budget};

/// Minimum size of a response to compress, in bytes. Smaller responses fit into one packet even without
/// compression.
const MIN_COMPRESSED_SIZE: u64 = 1024;

/// Quality of all encodings. With it, the compressor of a long list needs under 1 MB: 0.1 for gzip, 0.6 for brotli, 0.7 for
/// zstd. By default, it would need up to 28 MB for brotli, and gzip would take ten times as long for a third fewer bytes.
const QUALITY: CompressionLevel = CompressionLevel::Precise(1);

/// Returns copies of the `Accept-Encoding` headers.
pub fn accepted_encodings(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(detached).collect()
}

/// Returns a copy with its own memory. A clone would keep the 8 KiB read buffer of the request headers in
/// memory.
fn detached(value: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// Returns whether a response should be compressed. It must be large enough, and neither an event stream nor
/// already compressed. It must not have an entity tag either, because a strong one identifies the exact bytes
/// (RFC 9110 section 8.8.1).
pub fn should_compress(response: &Response) -> bool {
    let has = |name| response.headers().contains_key(name);
    SizeAbove::new(MIN_COMPRESSED_SIZE).and(NotForContentType::SSE).should_compress(response)
        && !has(header::ETAG)
        && !has(header::CONTENT_ENCODING)
}

/// Returns the accepted encodings as one list. It has `gzip` instead of `*`, or nothing if the list names gzip
/// itself. The layer would choose zstd for `*`, which few clients that send `*` can decode.
fn gzip_for_wildcard(accepted_encodings: &[HeaderValue]) -> String {
    let fields = accepted_encodings.iter().filter_map(|field| field.to_str().ok());
    let encodings: Vec<_> =
        fields.flat_map(|field| field.split(',')).map(|encoding| split_weight(encoding.trim())).collect();
    let is_gzip = |name: &str| name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip");
    let names_gzip = encodings.iter().any(|(name, _)| is_gzip(name));
    let encodings = encodings.into_iter().filter(|(name, _)| *name != "*" || !names_gzip);
    let encodings =
        encodings.map(|(name, weight)| if name == "*" { ("gzip", weight) } else { (name, weight) });
    encodings.map(|(name, weight)| format!("{name}{weight}")).collect::<Vec<_>>().join(", ")
}

/// Splits an element of `Accept-Encoding` into the encoding and its weight, which begins with `;` or is empty.
fn split_weight(element: &str) -> (&str, &str) {
    let (name, weight) = element.split_at(element.find(';').unwrap_or(element.len()));
    (name.trim_end(), weight)
}

/// Compresses a response with the encoding that the client prefers, on the background runtime. Returns it uncompressed
/// if no permit is free, because a compressor needs megabytes until the client has read the response.
pub async fn compress(
    accepted_encodings: Vec<HeaderValue>,
    permits: &Budget,
    response: Response,
) -> Response {
    let Ok(permit) = permits.reserve_one() else {
        return response;
    };
    let mut request = Request::new(());
    if let Ok(accepted) = HeaderValue::try_from(gzip_for_wildcard(&accepted_encodings)) {
        request.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
    }
    let status = response.status();
    let mut response = Some(response);
    let service = service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let layer = CompressionLayer::new().quality(QUALITY).compress_when(SizeAbove::new(0));
    let Ok(response) = layer.layer(service).oneshot(request).await;
    let mut response = response.map(Body::new);
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        let hold = move |body: Body| {
            let chunks = body.into_data_stream().inspect(move |_| {
                let _ = &permit;
            });
            background_runtime::stream_body(Body::from_stream(chunks))
        };
        response = response.map(hold);
    }
    // The layer sets status 406 if a client accepts no encoding, not even `identity`. The original status is
    // kept, because the request has already taken effect.
    *response.status_mut() = status;
    response
}
