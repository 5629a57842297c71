//! Takes the body of a request, within its limits, for REST and GraphQL alike.

use std::time::Duration;

use axum::{
    body::{BodyDataStream, Bytes, HttpBody},
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, HeaderValue, Method, header},
};
use futures_util::StreamExt;

use super::{media_type::media_type, problem::Problem};

/// How large a body may be and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// From the request's head to the last byte; for an import from one part to the next.
    pub time: Duration,
    /// Of a file to import, in bytes.
    pub import_size: u64,
    /// Of an import in all.
    pub import_time: Duration,
}

/// What is read and thrown away of a body that is too large. Most clients look at the answer only after they
/// have sent everything; hung up on before that, they would report a broken connection instead of the 413.
const MAX_DRAINED_BYTES: u64 = 64 << 20;

/// Bytes for which room is made before they are there: they may never come.
const MAX_PREALLOCATED_BYTES: usize = 128 << 10;

const JSON: &str = "application/json";
/// JSON Merge Patch (RFC 7396), of a PATCH.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Bodies are taken as they are.
///
/// # Errors
/// 415, where one is compressed.
pub fn reject_content_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(header::CONTENT_ENCODING).is_none_or(is_plain) {
        return Ok(());
    }
    Err(Problem::encoded())
}

/// A request body that says that it is JSON and is UTF-8 (RFC 8259 section 8.1); not parsed yet.
pub struct JsonBody(pub String);

impl<S: Send + Sync> FromRequest<S> for JsonBody
where
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    fn from_request(request: Request, state: &S) -> impl Future<Output = Result<Self, Problem>> + Send {
        Self::from_request_with(request, BodyLimits::from_ref(state))
    }
}

impl JsonBody {
    /// The text of this request's body.
    ///
    /// # Errors
    /// It is something else, too large or too slow.
    // No async function: it would have room for the whole request until the body is there.
    pub fn from_request_with(
        request: Request,
        limits: BodyLimits,
    ) -> impl Future<Output = Result<Self, Problem>> + Send + use<> {
        let body = json_body(request, limits.size);
        async move {
            let bytes = tokio::time::timeout(limits.time, body?.collect());
            let bytes = bytes.await.map_err(|_| Problem::body_too_slow())??;
            String::from_utf8(bytes).map(Self).map_err(|error| {
                let place = error.utf8_error().valid_up_to();
                Problem::malformed(format!("the body is not UTF-8 from byte {place} on"))
            })
        }
    }
}

/// The body of a request that says that it is JSON.
fn json_body(request: Request, size: usize) -> Result<LimitedBody, Problem> {
    reject_content_encoding(request.headers())?;
    if let Some(essence) = media_type(request.headers()) {
        let accepted = if request.method() == Method::PATCH { &[JSON, MERGE_PATCH][..] } else { &[JSON] };
        if !accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
            return Err(Problem::unsupported_media_type(&accepted.join(" or ")));
        }
    }
    LimitedBody::new(request, size as u64)
}

/// A body as it comes, up to a limit.
pub struct LimitedBody {
    data: BodyDataStream,
    /// Bytes that are to come at least.
    declared: u64,
    length: u64,
    limit: u64,
}

impl LimitedBody {
    /// The parts of this request's body; what is larger than `limit`, in bytes, is refused.
    ///
    /// # Errors
    /// 413, where the request says that it will be larger.
    pub fn new(request: Request, limit: u64) -> Result<Self, Problem> {
        let declared = request.body().size_hint().lower();
        let asks_first = request.headers().contains_key(header::EXPECT);
        if declared > limit && (asks_first || declared > limit.saturating_add(MAX_DRAINED_BYTES)) {
            return Err(Problem::body_too_large(limit));
        }
        Ok(Self { data: request.into_body().into_data_stream(), declared, length: 0, limit })
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`LimitedBody::next_chunk`].
    async fn collect(mut self) -> Result<Vec<u8>, Problem> {
        let declared = usize::try_from(self.declared).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(declared.min(MAX_PREALLOCATED_BYTES));
        while let Some(part) = self.next_chunk().await? {
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    /// The next part; `None` when the body has arrived whole.
    ///
    /// # Errors
    /// 413, or 499 where the client has left.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(part) = self.data.next().await {
            let part = part.map_err(|_| Problem::client_left())?;
            self.length += part.len() as u64;
            if self.length <= self.limit {
                return Ok(Some(part));
            }
            if self.length > self.limit.saturating_add(MAX_DRAINED_BYTES) {
                break;
            }
        }
        if self.length > self.limit { Err(Problem::body_too_large(self.limit)) } else { Ok(None) }
    }
}
