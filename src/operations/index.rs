//! `GET /`: name, version and links.

use axum::Json;
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::telemetry::routes::Route;

/// Route with its expected status.
pub const ROUTES: &[Route] = &[("GET", "/", &[200])];

pub fn api() -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(root))
}

#[utoipa::path(
    get,
    path = "/",
    tag = "operation",
    operation_id = "getRoot",
    summary = "Read name, version and links",
    responses((status = 200, description = "Name, version and links", body = serde_json::Value))
)]
async fn root() -> Json<Value> {
    Json(json!({
        "name": "Stockmeter",
        "version": env!("CARGO_PKG_VERSION"),
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "links": {
            "products": "/products",
            "docs": "/docs",
            "openapi": "/openapi.json",
            "graphql": "/graphql",
            "metrics": "/metrics",
            "health": "/health",
            "live": "/health/live",
            "ready": "/health/ready",
        },
    }))
}
