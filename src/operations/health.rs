//! Health: alive is not ready. A check of being alive never asks the database, or an orchestrator would kill
//! healthy servers when the database is down.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{database::Database, telemetry::routes::Route};

/// The routes with their method and usual statuses.
pub const ROUTES: &[Route] = &[
    ("GET", "/health", &[200, 503]),
    ("GET", "/health/live", &[200]),
    ("GET", "/health/ready", &[200, 503]),
];

/// What health depends on.
#[derive(Clone)]
pub struct HealthState {
    pub database: Database,
    /// Cancelled when the server is about to stop.
    pub shutting_down: CancellationToken,
}

/// The routes under `/health`, described.
pub fn api() -> OpenApiRouter<HealthState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(live)).routes(routes!(ready))
}

/// Whether all is well.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Unavailable,
}

/// The process.
#[derive(Serialize, ToSchema)]
struct Liveness {
    status: Status,
}

/// The server with what it needs.
#[derive(Serialize, ToSchema)]
struct Health {
    status: Status,
    #[schema(example = "0.1.0")]
    version: &'static str,
    database: DatabaseHealth,
}

/// The database.
#[derive(Serialize, ToSchema)]
struct DatabaseHealth {
    /// `sqlite` or `postgresql`
    #[schema(example = "sqlite")]
    kind: String,
    status: Status,
    /// How long it took to answer
    seconds: f64,
}

#[utoipa::path(get, path = "/health/live", tag = "operation", operation_id = "getLiveness", summary = "Whether the process runs; never asks the database",
    responses((status = 200, description = "It does", body = Liveness)))]
async fn live() -> Response {
    Json(Liveness { status: Status::Ok }).into_response()
}

#[utoipa::path(get, path = "/health", tag = "operation", operation_id = "getHealth", summary = "Whether requests can be served",
    responses(
        (status = 200, description = "They can", body = Health),
        (status = 503, description = "The database does not answer", body = Health)))]
async fn health(State(vitals): State<HealthState>) -> Response {
    check(&vitals.database, false).await
}

#[utoipa::path(get, path = "/health/ready", tag = "operation", operation_id = "getReadiness", summary = "Whether requests should be sent here",
    responses(
        (status = 200, description = "They should", body = Health),
        (status = 503, description = "The database does not answer, or the server is about to stop", body = Health)))]
async fn ready(State(vitals): State<HealthState>) -> Response {
    check(&vitals.database, vitals.shutting_down.is_cancelled()).await
}

async fn check(database: &Database, shutting_down: bool) -> Response {
    let start = Instant::now();
    let answered = database.is_reachable().await;
    let status = |well| if well { Status::Ok } else { Status::Unavailable };
    let kind = database.kind().to_string();
    let database = DatabaseHealth { kind, status: status(answered), seconds: start.elapsed().as_secs_f64() };
    let well = answered && !shutting_down;
    let body = Json(Health { status: status(well), version: env!("CARGO_PKG_VERSION"), database });
    if well {
        return body.into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}
