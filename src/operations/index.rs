//! `GET /`: name, version and links, or the console.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::console;

/// Paths by the names of their links.
pub type Links = BTreeMap<&'static str, &'static str>;

/// State of the handler.
#[derive(Clone)]
pub struct Index {
    pub links: Links,
    /// Whether browsers receive the console.
    pub console: bool,
}

pub fn api() -> OpenApiRouter<Index> {
    OpenApiRouter::new().routes(routes!(root))
}

/// Name, version and links of the server
#[derive(Serialize, ToSchema)]
#[schema(as = Index)]
struct IndexDocument {
    #[schema(example = "Stockmeter")]
    name: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    description: &'static str,
    /// Paths by the names of their links
    #[schema(value_type = BTreeMap<String, String>)]
    links: Links,
}

/// Returns name, version and links, or the console for browsers.
#[utoipa::path(
    get,
    path = "/",
    tag = "operation",
    operation_id = "getRoot",
    responses((
        status = 200,
        description = "Name, version and links, or the console for browsers",
        content((IndexDocument = "application/json"), (String = "text/html"))
    ))
)]
async fn root(State(Index { links, console: has_console }): State<Index>, headers: HeaderMap) -> Response {
    let vary = has_console.then_some([(header::VARY, "accept")]);
    if has_console && console::is_preferred(&headers) {
        return (vary, console::page()).into_response();
    }
    let (version, description) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"));
    let document = IndexDocument { name: "Stockmeter", version, description, links };
    (vary, Json(document)).into_response()
}
