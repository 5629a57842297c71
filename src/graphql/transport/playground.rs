//! The page on which people write queries: GraphiQL, out of this binary if `scripts/playground` was run before it was
//! compiled, else from a CDN.

use std::io::Read;

use async_graphql::http::GraphiQLSource;
use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
};
use flate2::read::GzDecoder;

use crate::{catalog::Error, http::problem::Problem};

/// Where the files are: under an address that is another one when they are others.
pub const FILES_ROUTE: &str = "/graphql/playground/{build}/{file}";

/// Which files they are, if they are in here.
const BUILD: Option<&str> = option_env!("PLAYGROUND_BUILD");

/// Each with its name and type, compressed by gzip.
type File = (&'static str, &'static str, &'static [u8]);

#[cfg(playground)]
macro_rules! file {
    ($name:literal, $kind:literal) => {
        ($name, $kind, include_bytes!(concat!("../../playground/dist/", $name, ".gz")))
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

/// The page.
pub fn page() -> Response {
    let html = match BUILD {
        Some(build) => include_str!("playground.html").replace("{build}", build),
        None => GraphiQLSource::build()
            .endpoint("/graphql")
            .subscription_endpoint("/graphql")
            .title("Stockmeter GraphQL")
            .finish(),
    };
    ([(header::VARY, "accept")], Html(html)).into_response()
}

/// A file of the page.
pub async fn file(
    Path((build, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = FILES.iter().find(|(name, ..)| *name == file && BUILD == Some(&build));
    let not_found = || Problem::no_route(&format!("/graphql/playground/{build}/{file}"));
    let (_, kind, compressed) = known.ok_or_else(not_found)?;
    let about = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    let mut accepted =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    if accepted.any(|value| value.contains("gzip")) {
        return Ok((about, [(header::CONTENT_ENCODING, "gzip")], *compressed).into_response());
    }
    let mut plain = Vec::new();
    GzDecoder::new(*compressed).read_to_end(&mut plain).map_err(|_| Error::Internal)?;
    Ok((about, plain).into_response())
}
