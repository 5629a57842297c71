//! The page on which people write queries: GraphiQL, out of this binary if `scripts/playground` was run before it was
//! compiled, else from a CDN.

use async_graphql::http::GraphiQLSource;
use axum::{
    extract::Path,
    http::header,
    response::{Html, IntoResponse, Response},
};

use crate::problem::Problem;

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
    Html(html).into_response()
}

/// A file of the page. Every browser takes gzip, so it is the only encoding there is.
pub async fn file(Path((build, file)): Path<(String, String)>) -> Result<Response, Problem> {
    let known = FILES.iter().find(|(name, ..)| *name == file && BUILD == Some(&build));
    let (_, kind, bytes) =
        known.ok_or_else(|| Problem::no_route(&format!("/graphql/playground/{build}/{file}")))?;
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CONTENT_ENCODING, "gzip"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, *bytes).into_response())
}
