//! The media type that `Content-Type` declares.

use axum::http::{HeaderMap, header};

/// Returns the declared media type without its parameters, or an empty one if it is not ASCII.
///
/// Returns `None` without a `Content-Type`. The server may then examine the body (RFC 9110 section 8.3).
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    // The search of `split_once` is optimised for long strings; a simple loop is faster here.
    let end = value.bytes().position(|byte| byte == b';').unwrap_or(value.len());
    Some(value[..end].trim_ascii())
}
