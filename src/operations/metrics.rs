//! `GET /metrics`: what Prometheus scrapes.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    background_runtime,
    telemetry::{Telemetry, routes::Route},
};

/// The route with its method and usual status.
pub const ROUTES: &[Route] = &[("GET", "/metrics", &[200, 401])];

/// Prometheus' text format, exactly: Prometheus 3 refuses anything vague.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route `/metrics`, described.
pub fn api() -> OpenApiRouter<Telemetry> {
    OpenApiRouter::new().routes(routes!(scrape))
}

#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "getMetrics", summary = "Read the metrics",
    responses((status = 200, description = "Prometheus' text format 0.0.4", body = String, content_type = "text/plain"), (status = 401, description = "The server wants a token", content_type = "application/problem+json", body = serde_json::Value)))]
async fn scrape(State(telemetry): State<Telemetry>) -> Response {
    let rendered = background_runtime::run(async move { telemetry.render() }).await;
    match rendered {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "can't render the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
