//! Playground for queries in a browser (GraphiQL). Its files are embedded if `scripts/playground` ran before
//! compilation. Otherwise, browsers load them from a CDN.

use std::io::Read;

use async_graphql::http::GraphiQLSource;
use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use flate2::read::GzDecoder;

use super::playground_policy;
use crate::{
    domain::Error,
    http::{page, problem::Problem},
};

/// Route of the playground's files. The path contains a hash of the files, so clients may cache them forever.
pub const FILES_ROUTE: &str = "/graphql/playground/{build}/{file}";

/// Hash of the embedded files, set by `build.rs`. `None` if no files are embedded.
const BUILD: Option<&str> = option_env!("PLAYGROUND_BUILD");

/// Name, content type and gzip-compressed content.
type File = (&'static str, &'static str, &'static [u8]);

#[cfg(playground)]
macro_rules! file {
    ($name:literal, $content_type:literal) => {
        (
            $name,
            $content_type,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/playground/dist/", $name, ".gz")),
        )
    };
}

#[cfg(playground)]
const FILES: &[File] = &[
    file!("main.js", "text/javascript"),
    file!("main.css", "text/css"),
    file!("editor.worker.js", "text/javascript"),
    file!("graphql.worker.js", "text/javascript"),
    file!("json.worker.js", "text/javascript"),
];

#[cfg(not(playground))]
const FILES: &[File] = &[];

/// Returns the playground's HTML page.
pub fn page() -> Response {
    let (html, policy) = match BUILD {
        Some(build) => {
            (include_str!("playground.html").replace("{build}", build), playground_policy::embedded())
        }
        None => cdn_page(),
    };
    page::protect(([(header::VARY, "accept")], Html(html)).into_response(), policy)
}

/// Returns the page that loads its files from a CDN, and its `Content-Security-Policy`.
fn cdn_page() -> (String, HeaderValue) {
    let html = GraphiQLSource::build()
        .endpoint("/graphql")
        .subscription_endpoint("/graphql")
        .title("Stockmeter GraphQL")
        .finish();
    let policy = playground_policy::of_cdn_page(&html);
    (html, policy)
}

/// Returns an embedded file, compressed if the client accepts gzip.
pub async fn file(
    Path((build, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = FILES.iter().find(|(name, ..)| *name == file && BUILD == Some(&build));
    let not_found = || Problem::no_route(&format!("/graphql/playground/{build}/{file}"));
    let (_, content_type, compressed) = found.ok_or_else(not_found)?;
    let response_headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    let mut accepted =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    if accepted.any(|value| value.contains("gzip")) {
        return Ok((response_headers, [(header::CONTENT_ENCODING, "gzip")], *compressed).into_response());
    }
    let mut plain = Vec::new();
    GzDecoder::new(*compressed).read_to_end(&mut plain).map_err(|_| Error::Internal)?;
    Ok((response_headers, plain).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cdn_page_has_one_inline_script_and_loads_the_rest_from_its_cdn() {
        let (html, policy) = cdn_page();
        let policy = policy.to_str().unwrap();
        assert_eq!(
            (policy.matches("'sha256-").count(), html.matches("<script>").count()),
            (1, 1),
            "{policy}"
        );
        assert_eq!(policy.matches("https://unpkg.com/").count(), 4, "{policy}");
    }
}
