//! Takes the JSON text of a request body, for REST and GraphQL alike.

use std::time::Duration;

use axum::{
    body::HttpBody,
    extract::{FromRequest, Request},
    http::{Method, header},
};
use futures_util::StreamExt;

use crate::{catalog::Error, problem::Problem};

/// How large a body may be and how long it may take. A layer puts this into every request.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// From the request's head to the last byte.
    pub time: Duration,
}

/// What is read and thrown away of a body that is too large. Most clients look at the answer only after they
/// have sent everything; hung up on before that, they would report a broken connection instead of the 413.
const DISCARDED: usize = 64 << 20;

const JSON: &str = "application/json";
/// JSON Merge Patch (RFC 7396), of a PATCH.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A request body that says that it is JSON and is UTF-8 (RFC 8259 section 8.1); not parsed yet.
pub struct JsonText(pub String);

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // Without a type we look at the bytes, as RFC 9110 section 8.3 allows.
        if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
            let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            let accepted = if request.method() == Method::PATCH { &[JSON, MERGE_PATCH][..] } else { &[JSON] };
            if !accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
                return Err(Problem::unsupported_media_type(&accepted.join(" or ")));
            }
        }
        let Some(limits) = request.extensions().get::<BodyLimits>().copied() else {
            return Err(Error::Internal.into());
        };
        let bytes = tokio::time::timeout(limits.time, read(request, limits.size));
        let bytes = bytes.await.map_err(|_| Problem::body_too_slow())??;
        String::from_utf8(bytes).map(Self).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            Problem::malformed(format!("the body is not UTF-8 from byte {place} on"))
        })
    }
}

async fn read(request: Request, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(format!("the body is larger than {limit} bytes: send it in parts"));
    let declared = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
    let asks_first = request.headers().contains_key(header::EXPECT);
    if declared > limit && (asks_first || declared > limit.saturating_add(DISCARDED)) {
        return Err(too_large());
    }
    let mut data = request.into_body().into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(part) = data.next().await {
        let part = part.map_err(|_| Problem::client_left())?;
        length += part.len();
        if length <= limit {
            bytes.extend_from_slice(&part);
        } else if length <= limit.saturating_add(DISCARDED) {
            bytes = Vec::new();
        } else {
            break;
        }
    }
    if length > limit { Err(too_large()) } else { Ok(bytes) }
}
