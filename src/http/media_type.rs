//! The media type of a request body.

use axum::http::{HeaderMap, header};

/// The media type of the body, without its parameters. Without a type we look at the bytes, as RFC 9110 section
/// 8.3 allows.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    // Not by `split_once`, whose search is made for long texts.
    let end = kind.bytes().position(|byte| byte == b';').unwrap_or(kind.len());
    Some(kind[..end].trim_ascii())
}
