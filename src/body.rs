//! Takes the JSON text of a request body, for REST and GraphQL alike.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};

use crate::problem::Problem;

/// A request body that says that it is JSON and is UTF-8 (RFC 8259 section 8.1); not parsed yet.
pub struct JsonText(pub String);

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Without a type we look at the bytes, as RFC 9110 section 8.3 allows.
        if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
            let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(Problem::unsupported_media_type("application/json"));
            }
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::too_large()
            } else {
                Problem::malformed("the body did not arrive whole")
            }
        })?;
        String::from_utf8(bytes.into()).map(Self).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            Problem::malformed(format!("the body is not UTF-8 from byte {place} on"))
        })
    }
}
