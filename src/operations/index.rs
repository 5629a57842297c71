//! `GET /`: what this is, and where everything is.

use axum::Json;
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::telemetry::routes::Route;

/// The route with its method and usual status.
pub const ROUTES: &[Route] = &[("GET", "/", &[200])];

/// The route `/`, described.
pub fn api() -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(root))
}

#[utoipa::path(get, path = "/", tag = "operation", operation_id = "getRoot", summary = "Name, version and links",
    responses((status = 200, description = "What this is, and where everything is", body = serde_json::Value)))]
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
