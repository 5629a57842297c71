//! Bearer tokens (RFC 6750).

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{config::Secret, http::problem::Problem};

/// Digest of an `Authorization` header. Digests are compared instead of tokens, so that the duration of a
/// comparison reveals nothing about the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Returns the digest of the header that carries this token.
    pub fn of_bearer(token: &Secret) -> Self {
        Self::new(format!("Bearer {}", token.expose()).as_bytes())
    }

    fn new(header: &[u8]) -> Self {
        Self(Sha256::digest(header).into())
    }

    /// Returns a 401 response if a request does not carry the token, otherwise `None`.
    pub fn reject(self, headers: &HeaderMap) -> Option<Response> {
        let sent = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        if Self::new(sent) == self {
            return None;
        }
        let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        Some((challenge, Problem::unauthorized()).into_response())
    }
}
