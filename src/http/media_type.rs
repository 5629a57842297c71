//! The media type that `Content-Type` declares.

use axum::http::{HeaderMap, header};

/// Returns the declared media type without its parameters. Returns an empty text if the header is not ASCII.
///
/// Returns `None` if there is no `Content-Type`. In this case, the server may assume a media type (RFC 9110
/// section 8.3).
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    // `split_once` is optimised for long strings. A simple loop is faster for a header.
    let end = value.bytes().position(|byte| byte == b';').unwrap_or(value.len());
    Some(value[..end].trim_ascii())
}
