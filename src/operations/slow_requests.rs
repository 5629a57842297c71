//! `GET /metrics/slow`: the slowest requests of the last minutes.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::telemetry::{
    routes::Route,
    slow_requests::{SlowRequest, SlowRequestLog},
};

/// The route with its method and usual statuses.
pub const ROUTES: &[Route] = &[("GET", "/metrics/slow", &[200, 401])];

/// The route `/metrics/slow`, described.
pub fn api() -> OpenApiRouter<SlowRequestLog> {
    OpenApiRouter::new().routes(routes!(read))
}

#[utoipa::path(get, path = "/metrics/slow", tag = "operation", operation_id = "getSlowRequests", summary = "Read the slowest requests of the last 5 to 10 minutes",
    responses((status = 200, description = "The slowest first: ten of each known route, and ten of all other requests; streams of events are not among them", body = [SlowRequest]), (status = 401, description = "The server wants a token", content_type = "application/problem+json", body = serde_json::Value)))]
async fn read(State(book): State<SlowRequestLog>) -> Json<Vec<SlowRequest>> {
    Json(book.slowest())
}
