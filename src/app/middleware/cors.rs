//! Cross-origin resource sharing (CORS): allows web pages of other origins to use the server.

use std::convert::Infallible;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    response::Response,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{request_id::REQUEST_ID, response_headers::SERVER_TIMING};
use crate::rest::{
    idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED},
    prefer::{PREFER, PREFERENCE_APPLIED},
};

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Returns a layer that allows pages of these origins to use the server; `*` allows any origin.
pub fn layer(origins: &[HeaderValue]) -> CorsLayer {
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

/// Returns whether a request has an `Origin` header. Browsers send the header with cross-origin requests and
/// some others.
pub fn has_origin(request: &Request) -> bool {
    request.headers().contains_key(header::ORIGIN)
}

/// Adds the layer's `Vary` header to the response of a request without an origin. A cache must not reuse this
/// response for a request with an origin.
pub fn vary_by_origin(mut response: Response) -> Response {
    const NAMES: HeaderValue =
        HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");
    response.headers_mut().append(header::VARY, NAMES);
    response
}

/// Returns the response to a preflight request. For any other request, runs `next` and adds the CORS headers
/// to its response.
pub async fn handle<F>(layer: CorsLayer, request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    // The layer calls its service at most once.
    let mut next = Some(next);
    let service = service_fn(|request| {
        let response = next.take().map(|next| next(request));
        async {
            Ok::<_, Infallible>(match response {
                Some(response) => response.await,
                None => Response::default(),
            })
        }
    });
    let Ok(response) = layer.layer(service).oneshot(request).await;
    response
}
