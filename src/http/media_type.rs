//! The media type that `Content-Type` declares.

use axum::http::{HeaderMap, header};

use super::problem::Problem;

/// Returns the declared media type without its parameters. Returns an empty text if the header is not ASCII.
///
/// Returns `None` if there is no `Content-Type`.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    // `split_once` is optimised for long strings. A simple loop is faster for a header.
    let end = value.bytes().position(|byte| byte == b';').unwrap_or(value.len());
    Some(value[..end].trim_ascii())
}

/// Returns the value of a parameter of `Content-Type`, or `None` if the media type does not have the parameter.
pub fn parameter<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(found, _)| found.trim_ascii().eq_ignore_ascii_case(name))?;
    Some(value.trim_ascii().trim_matches('"'))
}

/// Checks that the body is declared as UTF-8, or that its encoding is not declared.
///
/// # Errors
/// Returns a 415 problem for any other encoding.
pub fn check_charset(headers: &HeaderMap) -> Result<(), Problem> {
    // ASCII is a part of UTF-8.
    let is_utf8 =
        |charset: &str| ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known));
    match parameter(headers, "charset").filter(|charset| !is_utf8(charset)) {
        None => Ok(()),
        Some(charset) => Err(Problem::unsupported_parameter(&format!("charset={charset}"), "send UTF-8")),
    }
}
