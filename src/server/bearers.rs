//! Rooms that only those may enter who show a token.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{config::Secret, problem::Problem};

/// Lets only those into these rooms who show the token, if there is one.
pub fn for_bearers(rooms: Router, token: Option<&Secret>) -> Router {
    let Some(token) = token else {
        return rooms;
    };
    let wanted = Shown::digest(format!("Bearer {}", token.expose()).as_bytes());
    rooms.layer(middleware::from_fn_with_state(wanted, let_bearers_in))
}

/// A digest of a token: compared instead of it, so that the time it takes tells nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shown([u8; 32]);

impl Shown {
    fn digest(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

async fn let_bearers_in(State(wanted): State<Shown>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if Shown::digest(shown) == wanted {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    (challenge, Problem::unauthorized()).into_response()
}
