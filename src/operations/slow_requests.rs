//! `GET /metrics/slow`: the slowest recent requests.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::telemetry::slow_requests::{SlowRequest, SlowRequestLog};

pub fn api() -> OpenApiRouter<SlowRequestLog> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Returns the slowest requests of the last 5 to 10 minutes.
#[utoipa::path(
    get,
    path = "/metrics/slow",
    tag = "operation",
    operation_id = "getSlowRequests",
    responses(
        (
            status = 200,
            description = "Slowest requests first: ten per known route, and ten of all other requests. \
                Event streams are excluded",
            body = [SlowRequest]
        ),
    )
)]
async fn read(State(log): State<SlowRequestLog>) -> Json<Vec<SlowRequest>> {
    Json(log.slowest())
}
