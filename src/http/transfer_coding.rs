//! The transfer codings of a request (RFC 9112 section 6.1).

use axum::http::{HeaderMap, HeaderValue, header};

use super::problem::Problem;

/// Checks that the body has no transfer coding but `chunked`. Other ones would not be decoded, and a proxy could see
/// another body than this server.
///
/// # Errors
/// Returns a 400 problem for any other transfer coding.
pub fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if is_chunked(coding) => Ok(()),
        _ => Err(Problem::malformed("Transfer-Encoding must be chunked, and sent only once")),
    }
}
