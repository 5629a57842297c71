//! `GET /metrics`: what Prometheus scrapes.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::TextEncoder;

use super::{Telemetry, http::Route};

/// The route with its method and usual status.
pub const ROUTES: &[Route] = &[("GET", "/metrics", &[200])];

/// Prometheus' text format, exactly: Prometheus 3 refuses anything vague.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route `/metrics`.
pub fn router(telemetry: Telemetry) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(telemetry)
}

async fn scrape(State(telemetry): State<Telemetry>) -> Response {
    match TextEncoder::new().encode_to_string(&telemetry.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "can't render the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
