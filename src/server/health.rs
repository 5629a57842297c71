//! Health: alive is not ready. A check of being alive never asks the database, or an orchestrator would kill
//! healthy servers when the database is down.

use std::time::{Duration, Instant};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{database::Database, telemetry::http::Route};

/// The routes with their method and usual statuses.
pub const ROUTES: &[Route] = &[
    ("GET", "/health", &[200, 503]),
    ("GET", "/health/live", &[200]),
    ("GET", "/health/ready", &[200, 503]),
];

/// Who asks for health does not wait longer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The routes under `/health`.
pub fn router(database: Database) -> Router {
    Router::new()
        .route("/health", get(check))
        .route("/health/live", get(live))
        .route("/health/ready", get(check))
        .with_state(database)
}

async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

async fn check(State(database): State<Database>) -> Response {
    let start = Instant::now();
    let answered = matches!(tokio::time::timeout(CHECK_TIMEOUT, database.check()).await, Ok(Ok(())));
    let status = if answered { "ok" } else { "unavailable" };
    let body = Json(json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "database": {
            "kind": database.kind().to_string(),
            "status": status,
            "seconds": start.elapsed().as_secs_f64(),
        },
    }));
    if answered {
        return body.into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}
