//! Bearer tokens (RFC 6750).

use axum::http::{HeaderMap, header};

const SCHEME: &str = "Bearer";

/// Returns the token of the `Authorization` header, or `None` if the header is absent or has another scheme.
pub fn from_headers(headers: &HeaderMap) -> Option<&[u8]> {
    from_credentials(headers.get(header::AUTHORIZATION)?.as_bytes())
}

/// Returns the token of credentials, or `None` if they have another scheme. The case of the scheme is ignored
/// (RFC 9110 section 11.1).
pub fn from_credentials(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()))?;
    Some(token.trim_ascii())
}
