//! `GET /`: name, version and links.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Paths by the names of their links.
pub type Links = BTreeMap<&'static str, &'static str>;

pub fn api() -> OpenApiRouter<Links> {
    OpenApiRouter::new().routes(routes!(root))
}

/// Name, version and links of the server
#[derive(Serialize, ToSchema)]
struct Index {
    #[schema(example = "Stockmeter")]
    name: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    description: &'static str,
    /// Paths by the names of their links
    #[schema(value_type = BTreeMap<String, String>)]
    links: Links,
}

/// Returns name, version and links.
#[utoipa::path(
    get,
    path = "/",
    tag = "operation",
    operation_id = "getRoot",
    responses((status = 200, description = "Name, version and links", body = Index))
)]
async fn root(State(links): State<Links>) -> Json<Index> {
    let (version, description) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"));
    Json(Index { name: "Stockmeter", version, description, links })
}
