//! Headers of HTML pages.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

use super::media_type::media_type;

/// Adds headers to an HTML page that limit what it may load (`policy`, a `Content-Security-Policy`), and that keep its address
/// from other servers. Returns other responses unchanged.
pub fn protect(mut response: Response, policy: HeaderValue) -> Response {
    if media_type(response.headers()) == Some("text/html") {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    response
}
