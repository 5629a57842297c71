//! The console, a page for people at `/`. It uses only the public interfaces, and its files are embedded.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

use crate::http::{content_negotiation::negotiate, page, problem::Problem};

/// Route of the files. The path contains a hash of the files, so clients may cache them forever.
const FILES_ROUTE: &str = "/console/{build}/{file}";

const PAGE: &str = include_str!("console.html");

const FILES: [page::File<&str>; 5] = [
    ("console.css", "text/css; charset=utf-8", include_str!("console.css")),
    ("console.js", SCRIPT, include_str!("console.js")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("dialogs.js", SCRIPT, include_str!("dialogs.js")),
    ("live.js", SCRIPT, include_str!("live.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Policy of the page, which may load its own files and call the server. Its icon is in its address.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Start of the hash of all files, in hexadecimal.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (_, _, content) in FILES {
        hash.update(content);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// Returns the router of the files.
pub fn files() -> Router {
    Router::new().route(FILES_ROUTE, get(file))
}

/// Returns whether a client prefers the page to JSON. Browsers request HTML explicitly.
pub fn is_preferred(headers: &HeaderMap) -> bool {
    let supported = |range: &str| match range {
        "text/html" | "application/xhtml+xml" => Some(true),
        "application/json" | "application/*" | "*/*" => Some(false),
        _ => None,
    };
    negotiate(headers, supported).unwrap_or(false)
}

/// Returns the page.
pub fn page() -> Response {
    page::protect(Html(PAGE.replace("{build}", &BUILD)).into_response(), POLICY)
}

async fn file(Path((build, file)): Path<(String, String)>) -> Result<Response, Problem> {
    let found = page::find(&FILES, &file).filter(|_| *BUILD == build);
    let not_found = || Problem::no_route(&format!("/console/{build}/{file}"));
    Ok(found.ok_or_else(not_found)?.into_response())
}
