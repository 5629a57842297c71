//! `GET /`: name, version and links.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Paths by the names of their links.
pub type Links = BTreeMap<&'static str, &'static str>;

pub fn api() -> OpenApiRouter<Links> {
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
async fn root(State(links): State<Links>) -> Json<Value> {
    Json(json!({
        "name": "Stockmeter",
        "version": env!("CARGO_PKG_VERSION"),
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "links": links,
    }))
}
