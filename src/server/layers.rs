//! What every request goes through.

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;

use super::{around::AroundLayer, innermost::Innermost, manners, outermost::Outermost};
use crate::{body::BodyLimits, problem::Problem, telemetry::HttpMetrics};

/// The rooms within their layers; pages of these `origins` may use them.
pub fn wrap(rooms: Router, metrics: HttpMetrics, body: BodyLimits, origins: &[HeaderValue]) -> Router {
    let cross_origin = (!origins.is_empty()).then(|| manners::cross_origin(origins));
    rooms.fallback(no_route).method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            .layer(AroundLayer(Outermost(metrics)))
            // Answers by itself what browsers ask before they send.
            .option_layer(cross_origin)
            .layer(AroundLayer(Innermost(body))),
    )
}

async fn no_route(uri: Uri) -> Problem {
    Problem::no_route(uri.path())
}

/// `OPTIONS` asks for just the `Allow` that such an answer carries.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::method_not_allowed(method.as_str()).into_response()
}
