//! Cross-origin resource sharing.

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{request_id::REQUEST_ID, response_headers::SERVER_TIMING};
use crate::rest::{
    idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED},
    prefer::{PREFER, PREFERENCE_APPLIED},
};

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Lets pages of these origins use the server; `*` is any. Without any, browsers keep them out.
pub fn cors_layer(origins: &[HeaderValue]) -> CorsLayer {
    let any = origins.iter().any(|origin| origin == "*");
    let origins = if any { AllowOrigin::any() } else { AllowOrigin::list(origins.iter().cloned()) };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            IDEMPOTENCY_KEY,
            PREFER,
            REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            PREFERENCE_APPLIED,
            IDEMPOTENT_REPLAYED,
            REQUEST_ID,
            SERVER_TIMING,
            TOTAL_COUNT,
        ])
}
