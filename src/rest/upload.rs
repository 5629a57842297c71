//! What `POST /products` brings: JSON, or a file that waits on the disk until it is whole. Until then nobody holds
//! a connection to the database for it, however slowly it comes.

use std::fs::File;

use axum::extract::{FromRef, FromRequest, Request};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

use crate::{
    catalog::Error,
    formats::Format,
    http::{
        media_type::media_type,
        problem::Problem,
        request_body::{BodyLimits, JsonBody, LimitedBody, reject_content_encoding},
    },
};

/// Products as sent.
pub enum Sent {
    /// The text of one or an array.
    Json(String),
    /// A file, its format, and a digest of its bytes.
    File(Format, File, [u8; 32]),
}

const ACCEPTED: &str = "application/json, text/csv or application/x-ndjson";

impl<S: Send + Sync> FromRequest<S> for Sent
where
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        reject_content_encoding(request.headers())?;
        let format = media_type(request.headers()).map(Format::from_media_type);
        match format {
            None | Some(Some(Format::Json)) => {
                JsonBody::from_request(request, state).await.map(|JsonBody(text)| Self::Json(text))
            }
            Some(Some(format)) => {
                let limits = BodyLimits::from_ref(state);
                let spool = spool_to_disk(LimitedBody::new(request, limits.import_size)?, limits);
                let (file, digest) = Box::pin(spool).await?;
                Ok(Self::File(format, file, digest))
            }
            Some(None) => Err(Problem::unsupported_media_type(ACCEPTED)),
        }
    }
}

async fn spool_to_disk(mut body: LimitedBody, limits: BodyLimits) -> Result<(File, [u8; 32]), Problem> {
    let file = tempfile::tempfile().map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 20, tokio::fs::File::from_std(file));
    let mut digest = Sha256::new();
    loop {
        let part = tokio::time::timeout(limits.time, body.next_chunk());
        let Some(part) = part.await.map_err(|_| Problem::body_too_slow())?? else {
            break;
        };
        digest.update(&part);
        file.write_all(&part).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut file = file.into_inner();
    file.rewind().await.map_err(failed)?;
    Ok((file.into_std().await, digest.finalize().into()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn failed(error: std::io::Error) -> Problem {
    tracing::error!(%error, folder = %std::env::temp_dir().display(), "can't keep an uploaded file");
    Error::Unavailable.into()
}
