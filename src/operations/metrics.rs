//! `GET /metrics`: metrics for Prometheus.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::telemetry::Telemetry;

/// Media type of the text format. It needs the version, because Prometheus 3 rejects a response whose format
/// it cannot determine.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn api() -> OpenApiRouter<Telemetry> {
    OpenApiRouter::new().routes(routes!(scrape))
}

/// Returns the metrics.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    operation_id = "getMetrics",
    responses((
        status = 200,
        description = "Prometheus text format 0.0.4",
        body = String,
        content_type = "text/plain"
    ))
)]
async fn scrape(State(telemetry): State<Telemetry>) -> Response {
    match telemetry.render() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot render the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
