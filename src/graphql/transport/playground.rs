//! Playground for queries in a browser (GraphiQL). Its files are embedded if `scripts/playground` ran before
//! compilation. Otherwise, browsers load them from a CDN.

use std::io::Read;

use axum::{
    extract::Path,
    http::{HeaderMap, header},
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

/// A file with gzip-compressed content.
type File = page::File<&'static [u8]>;

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

/// Page that loads its files from a CDN: fixed versions, which browsers check by their hashes.
const CDN_PAGE: &str = include_str!("playground_cdn.html");

/// Returns the playground's HTML page.
pub fn page() -> Response {
    let (html, policy) = match BUILD {
        Some(build) => {
            (include_str!("playground.html").replace("{build}", build), playground_policy::embedded())
        }
        None => (CDN_PAGE.to_owned(), playground_policy::of_cdn_page(CDN_PAGE)),
    };
    page::protect(([(header::VARY, "accept")], Html(html)).into_response(), policy)
}

/// Returns an embedded file, compressed if the client accepts gzip.
pub async fn file(
    Path((build, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = page::find(FILES, &file).filter(|_| BUILD == Some(&build));
    let not_found = || Problem::no_route(&format!("/graphql/playground/{build}/{file}"));
    let (file_headers, compressed) = found.ok_or_else(not_found)?;
    let vary = [(header::VARY, "accept-encoding")];
    let mut accepted =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    if accepted.any(|value| value.contains("gzip")) {
        return Ok((file_headers, vary, [(header::CONTENT_ENCODING, "gzip")], compressed).into_response());
    }
    let mut plain = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut plain).map_err(|_| Error::Internal)?;
    Ok((file_headers, vary, plain).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cdn_page_loads_fixed_versions_and_checks_their_hashes() {
        let addresses: Vec<_> =
            CDN_PAGE.split("=\"https://").skip(1).map(|rest| rest.split_once('"').unwrap()).collect();
        assert_eq!(addresses.len(), 4);
        for (address, rest) in addresses {
            let attributes = rest.split_once('>').unwrap().0;
            assert!(attributes.contains("integrity=\"sha384-"), "{address} {attributes}");
            assert!(attributes.contains("crossorigin=\"anonymous\""), "{address} {attributes}");
            let version = address.split('@').nth(1).and_then(|rest| rest.split_once('/')).unwrap().0;
            assert!(version.split('.').count() == 3 && !address.contains("development"), "{address}");
        }
    }

    #[test]
    fn the_policy_allows_only_the_files_and_the_script_of_the_cdn_page() {
        let policy = playground_policy::of_cdn_page(CDN_PAGE);
        let policy = policy.to_str().unwrap();
        assert_eq!(policy.matches("'sha256-").count(), CDN_PAGE.matches("<script>").count(), "{policy}");
        assert_eq!(policy.matches("https://cdn.jsdelivr.net/npm/").count(), 4, "{policy}");
    }
}
