//! Extractor of the body of `POST /products`. A file is stored on disk before its import, because a slow
//! upload must not hold a database connection.

use std::fs::File;

use axum::{
    extract::{FromRef, FromRequest, Request},
    http::HeaderMap,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

use crate::{
    formats::Format,
    http::{
        media_type::{check_charset, parameter},
        problem::Problem,
        request_body::{BodyLimits, JsonBody, LimitedBody, declared_media_type, reject_content_encoding},
    },
};

/// Unparsed body of `POST /products`.
pub enum ProductsPayload {
    /// JSON text of one product or an array.
    Json(String),
    /// A file that has been received completely.
    File {
        format: Format,
        file: File,
        /// SHA-256 of the file.
        digest: [u8; 32],
    },
}

const ACCEPTED: &str = "application/json, text/csv, application/x-ndjson";

impl<S: Send + Sync> FromRequest<S> for ProductsPayload
where
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        reject_content_encoding(request.headers())?;
        let format = declared_media_type(&request, ACCEPTED)?.map(Format::from_media_type);
        match format {
            None | Some(Some(Format::Json)) => {
                JsonBody::from_request(request, state).await.map(|JsonBody(text)| Self::Json(text))
            }
            Some(Some(format)) => {
                check_charset(request.headers())?;
                check_header_row(format, request.headers())?;
                let limits = BodyLimits::from_ref(state);
                let spool = spool_to_disk(LimitedBody::new(request, limits.import_size)?, limits);
                let (file, digest) = Box::pin(spool).await?;
                Ok(Self::File { format, file, digest })
            }
            Some(None) => Err(Problem::unsupported_media_type(ACCEPTED)),
        }
    }
}

/// Checks that a CSV file is declared with a header row (RFC 4180 section 3), or without this parameter.
///
/// # Errors
/// Returns a 415 problem for a file without a header row.
fn check_header_row(format: Format, headers: &HeaderMap) -> Result<(), Problem> {
    match parameter(headers, "header").filter(|header| !header.eq_ignore_ascii_case("present")) {
        Some(header) if format == Format::Csv => {
            let remedy = "send a header row that names the columns";
            Err(Problem::unsupported_parameter(&format!("header={header}"), remedy))
        }
        _ => Ok(()),
    }
}

/// Writes the body to a temporary file. Returns the file, rewound to its start, and its SHA-256.
async fn spool_to_disk(mut body: LimitedBody, limits: BodyLimits) -> Result<(File, [u8; 32]), Problem> {
    let file = tempfile::tempfile().map_err(spool_error)?;
    let mut file = BufWriter::with_capacity(1 << 20, tokio::fs::File::from_std(file));
    let mut digest = Sha256::new();
    loop {
        let chunk = tokio::time::timeout(limits.time, body.next_chunk());
        let Some(chunk) = chunk.await.map_err(|_| Problem::body_too_slow())?? else {
            break;
        };
        digest.update(&chunk);
        file.write_all(&chunk).await.map_err(spool_error)?;
    }
    file.flush().await.map_err(spool_error)?;
    let mut file = file.into_inner();
    file.rewind().await.map_err(spool_error)?;
    Ok((file.into_std().await, digest.finalize().into()))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes the error by value")]
fn spool_error(error: std::io::Error) -> Problem {
    tracing::error!(%error, folder = %std::env::temp_dir().display(), "cannot store an uploaded file");
    Problem::cannot_store_upload()
}
