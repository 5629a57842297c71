//! Bearer tokens (RFC 6750).

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{config::Secret, http::problem::Problem};

const SCHEME: &[u8] = b"Bearer";

/// Digest of a bearer token. Digests are compared instead of tokens, so that the duration of a comparison reveals
/// nothing about the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Returns the digest of a token.
    pub fn of_token(token: &Secret) -> Self {
        Self::new(token.expose().as_bytes())
    }

    fn new(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Returns a 401 response if a request does not carry the token, otherwise `None`.
    pub fn reject(self, headers: &HeaderMap) -> Option<Response> {
        let (challenge, problem) = match bearer_token(headers) {
            Some(token) if Self::new(token) == self => return None,
            // RFC 6750 section 3.1 requires the error only for a request that carries a token.
            Some(_) => (r#"Bearer error="invalid_token""#, Problem::invalid_token()),
            None => ("Bearer", Problem::unauthorized()),
        };
        let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
        Some((challenge, problem).into_response())
    }
}

/// Returns the token of the first `Authorization` header, or `None` if the header is absent or has another scheme.
/// The case of the scheme is ignored (RFC 9110 section 11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let credentials = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = credentials.split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(SCHEME))?;
    Some(token.trim_ascii())
}
