//! Takes the JSON text of a request body, for REST and GraphQL alike.

use axum::{
    body::HttpBody,
    extract::{FromRequest, Request},
    http::header,
};
use futures_util::StreamExt;

use crate::problem::Problem;

/// The largest body that is taken, in bytes. A layer puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// What is read and thrown away of a body that is too large. Most clients look at the answer only after they
/// have sent everything; hung up on before that, they would report a broken connection instead of the 413.
const DISCARDED: usize = 64 << 20;

/// A request body that says that it is JSON and is UTF-8 (RFC 8259 section 8.1); not parsed yet.
pub struct JsonText(pub String);

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // Without a type we look at the bytes, as RFC 9110 section 8.3 allows.
        if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
            let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(Problem::unsupported_media_type("application/json"));
            }
        }
        String::from_utf8(read(request).await?).map(Self).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            Problem::malformed(format!("the body is not UTF-8 from byte {place} on"))
        })
    }
}

async fn read(request: Request) -> Result<Vec<u8>, Problem> {
    let limit = request.extensions().get().map_or(0, |BodyLimit(limit)| *limit);
    let declared = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
    let asks_first = request.headers().contains_key(header::EXPECT);
    if declared > limit && (asks_first || declared > limit.saturating_add(DISCARDED)) {
        return Err(Problem::too_large());
    }
    let mut data = request.into_body().into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(part) = data.next().await {
        let part = part.map_err(|_| Problem::malformed("the body did not arrive whole"))?;
        length += part.len();
        if length <= limit {
            bytes.extend_from_slice(&part);
        } else if length <= limit.saturating_add(DISCARDED) {
            bytes = Vec::new();
        } else {
            break;
        }
    }
    if length > limit { Err(Problem::too_large()) } else { Ok(bytes) }
}
