//! Sets the headers that every response has.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Sets `Server-Timing` to `time`, and `Cache-Control` to `no-cache` unless the handler has set it. Forbids browsers to guess
/// a media type, because product names can look like scripts.
pub fn set_defaults(headers: &mut HeaderMap, time: Duration) {
    let mut digits = itoa::Buffer::new();
    let mut timing = String::with_capacity(24);
    timing.push_str("total;dur=");
    timing.push_str(digits.format(time.as_millis()));
    timing.push('.');
    // Pads the microseconds to three digits: the sum has four digits, and its first digit is removed.
    timing.push_str(&digits.format(1000 + time.subsec_micros() % 1000)[1..]);
    if let Ok(timing) = HeaderValue::try_from(timing) {
        headers.insert(SERVER_TIMING, timing);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
}
