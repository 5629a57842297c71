//! Health checks. Liveness never queries the database, because an orchestrator would otherwise restart
//! healthy servers while the database is down.
//!
//! Reads go on if only the replica works. If only writes fail, `/health` reports it, but the server stays ready. All
//! instances share the database, so a load balancer would otherwise remove all of them, and reads would fail, too.

use std::{borrow::Cow, sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, extensions::Extensions, schema::Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{http::problem::RETRY_AFTER_SECONDS, store::Store};

#[derive(Clone)]
pub struct HealthState {
    pub store: Arc<dyn Store>,
    /// Token that is cancelled when the shutdown begins.
    pub shutting_down: CancellationToken,
}

pub fn api() -> OpenApiRouter<HealthState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(live)).routes(routes!(ready))
}

/// Result of a check
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Unavailable,
}

impl PartialSchema for Status {
    fn schema() -> RefOr<Schema> {
        // Generated Go code has one namespace for the values of all enums, and `ProblemCode` has `UNAVAILABLE`, too.
        let names = Extensions::builder().add("x-enum-varnames", json!(["HealthOk", "HealthUnavailable"]));
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some("Result of a check"));
        schema
            .enum_values(Some([Self::Ok, Self::Unavailable].map(|status| json!(status))))
            .extensions(Some(names.build()))
            .into()
    }
}

impl ToSchema for Status {
    fn name() -> Cow<'static, str> {
        "HealthStatus".into()
    }
}

/// State of the process
#[derive(Serialize, ToSchema)]
struct Liveness {
    status: Status,
}

/// State of the server and its database
#[derive(Serialize, ToSchema)]
struct Health {
    status: Status,
    #[schema(example = "0.1.0")]
    version: &'static str,
    database: DatabaseHealth,
}

/// State of the database
#[derive(Serialize, ToSchema)]
struct DatabaseHealth {
    /// `sqlite` or `postgresql`
    #[schema(example = "sqlite")]
    kind: String,
    /// `unavailable` if reads or writes fail
    status: Status,
    reads: Status,
    /// `unavailable` if reads fail, or if the last write found the database read-only or its disk full
    writes: Status,
    /// Duration of the check
    seconds: f64,
}

/// Checks whether the process is running, without querying the database.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "operation",
    operation_id = "getLiveness",
    responses((status = 200, description = "The process is running", body = Liveness))
)]
async fn live() -> Response {
    Json(Liveness { status: Status::Ok }).into_response()
}

/// Checks whether the server can serve reads and writes.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operation",
    operation_id = "getHealth",
    responses(
        (status = 200, description = "The server can serve reads and writes", body = Health),
        (status = 503, description = "Reads or writes of the database fail", body = Health)
    )
)]
async fn health(State(state): State<HealthState>) -> Response {
    check(&*state.store, |reads, writes| reads && writes).await
}

/// Checks whether the server is ready to receive traffic, even if it is only for reads.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "operation",
    operation_id = "getReadiness",
    responses(
        (status = 200, description = "The server is ready to receive traffic", body = Health),
        (
            status = 503,
            description = "Reads of the database fail, or the server is shutting down",
            body = Health
        )
    )
)]
async fn ready(State(state): State<HealthState>) -> Response {
    let shutting_down = state.shutting_down.is_cancelled();
    check(&*state.store, |reads, _| reads && !shutting_down).await
}

/// Checks the database. `is_ok` receives whether reads and whether writes work.
async fn check(store: &dyn Store, is_ok: impl FnOnce(bool, bool) -> bool) -> Response {
    let start = Instant::now();
    let is_reachable = store.is_reachable().await;
    let seconds = start.elapsed().as_secs_f64();
    let reads = is_reachable || store.replica_status().is_some_and(|replica| replica.is_available);
    let writes = is_reachable && store.write_state().works();
    let status = |is_ok| if is_ok { Status::Ok } else { Status::Unavailable };
    let database = DatabaseHealth {
        kind: store.kind().to_string(),
        status: status(reads && writes),
        reads: status(reads),
        writes: status(writes),
        seconds,
    };
    let is_ok = is_ok(reads, writes);
    let body = Json(Health { status: status(is_ok), version: env!("CARGO_PKG_VERSION"), database });
    if is_ok {
        return body.into_response();
    }
    let retry_after = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
    (StatusCode::SERVICE_UNAVAILABLE, retry_after, body).into_response()
}
