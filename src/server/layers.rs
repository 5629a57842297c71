//! What every request goes through.

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;

use super::{around::AroundLayer, innermost::Innermost, manners, outermost::Outermost, places::Places};
use crate::{body::BodyLimits, problem::Problem, telemetry::HttpMetrics};

/// The rooms within their layers, together with those for which a request needs a place; pages of these `origins` may use
/// them.
pub fn wrap(
    rooms: Router,
    with_places: Option<(Router, Places)>,
    metrics: &HttpMetrics,
    body: BodyLimits,
    origins: &[HeaderValue],
) -> Router {
    let cross_origin = (!origins.is_empty()).then(|| manners::cross_origin(origins));
    let within = |rooms: Router, places: Option<Places>| {
        rooms.method_not_allowed_fallback(method_not_allowed).layer(
            ServiceBuilder::new()
                .layer(AroundLayer(Outermost { metrics: metrics.clone(), endpoint: None }))
                // Answers by itself what browsers ask before they send.
                .option_layer(cross_origin.clone())
                .layer(AroundLayer(Innermost { body, places })),
        )
    };
    let free = within(rooms.fallback(no_route), None);
    match with_places {
        Some((rooms, places)) => free.merge(within(rooms, Some(places))),
        None => free,
    }
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
