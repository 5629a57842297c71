//! HTML pages and their embedded files.

use axum::{
    http::{HeaderName, HeaderValue, header},
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

/// An embedded file: name, content type and content.
pub type File<C> = (&'static str, &'static str, C);

/// Finds a file by its name. Returns its headers and content. Clients may cache it forever, so the path of its route
/// must contain a hash of all files.
pub fn find<C: Copy>(files: &[File<C>], name: &str) -> Option<([(HeaderName, &'static str); 2], C)> {
    let (_, content_type, content) = files.iter().find(|(file, ..)| *file == name)?;
    let headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Some((headers, *content))
}
