//! Health: alive is not ready. A check of being alive never asks the database, or an orchestrator would kill
//! healthy servers when the database is down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

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

/// What health depends on.
#[derive(Clone)]
pub struct Health {
    database: Database,
    draining: Arc<AtomicBool>,
}

impl Health {
    /// The health of a server over this store, which sets `draining` when it shuts down.
    pub fn new(database: Database, draining: Arc<AtomicBool>) -> Self {
        Self { database, draining }
    }
}

/// The routes under `/health`.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/health", get(check))
        .route("/health/live", get(live))
        .route("/health/ready", get(check))
        .with_state(health)
}

async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

async fn check(State(Health { database, draining }): State<Health>) -> Response {
    let start = Instant::now();
    let answered = matches!(tokio::time::timeout(CHECK_TIMEOUT, database.check()).await, Ok(Ok(())));
    let draining = draining.load(Ordering::Relaxed);
    let status = match (answered, draining) {
        (_, true) => "draining",
        (true, false) => "ok",
        (false, false) => "unavailable",
    };
    let body = Json(json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "database": {
            "kind": database.kind().to_string(),
            "status": if answered { "ok" } else { "unavailable" },
            "seconds": start.elapsed().as_secs_f64(),
        },
    }));
    if answered && !draining {
        return body.into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}
