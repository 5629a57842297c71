//! Rooms that only those may enter who show a token.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{config::Secret, http::problem::Problem};

/// Lets only those into these rooms who show the token, if there is one.
pub fn require_bearer_token(rooms: Router, token: Option<&Secret>) -> Router {
    let Some(token) = token else {
        return rooms;
    };
    let wanted = TokenDigest::digest(format!("Bearer {}", token.expose()).as_bytes());
    rooms.layer(middleware::from_fn_with_state(wanted, check_bearer_token))
}

/// A digest of a token: compared instead of it, so that the time it takes tells nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn digest(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

async fn check_bearer_token(State(wanted): State<TokenDigest>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if TokenDigest::digest(shown) == wanted {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    (challenge, Problem::unauthorized()).into_response()
}
