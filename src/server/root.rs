//! `GET /`: what this is, and where everything is.

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

use crate::telemetry::http::Route;

/// The route with its method and usual status.
pub const ROUTES: &[Route] = &[("GET", "/", &[200])];

/// The route `/`.
pub fn router() -> Router {
    Router::new().route("/", get(root))
}

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
