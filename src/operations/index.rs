//! `GET /`: name, version and links, or the console.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
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

/// Returns name, version and links, or the console for browsers.
#[utoipa::path(
    get,
    path = "/",
    tag = "operation",
    operation_id = "getRoot",
    summary = "Read name, version and links, or open the console",
    responses((
        status = 200,
        description = "Name, version and links, or the console for browsers",
        content((serde_json::Value = "application/json"), (String = "text/html"))
    ))
)]
async fn root(State(Index { links, console: has_console }): State<Index>, headers: HeaderMap) -> Response {
    let vary = has_console.then_some([(header::VARY, "accept")]);
    if has_console && console::is_preferred(&headers) {
        return (vary, console::page()).into_response();
    }
    let index = json!({
        "name": "Stockmeter",
        "version": env!("CARGO_PKG_VERSION"),
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "links": links,
    });
    (vary, Json(index)).into_response()
}
