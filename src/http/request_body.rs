//! Reads request bodies within limits of size and time, for REST and GraphQL.

use std::time::Duration;

use axum::{
    body::{BodyDataStream, Bytes, HttpBody},
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, HeaderValue, Method, header},
};
use futures_util::StreamExt;

use super::{
    media_type::{check_charset, media_type},
    problem::Problem,
};

/// Limits of size and time for request bodies.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Maximum size of a JSON body, in bytes.
    pub size: usize,
    /// Maximum time to receive a JSON body, or to receive the next chunk of a file upload.
    pub time: Duration,
    /// Maximum size of a file upload, in bytes.
    pub import_size: u64,
    /// Maximum time for a whole file upload and its import.
    pub import_time: Duration,
}

/// Maximum number of excess bytes that are read and discarded before the server responds with 413. Most
/// clients read the response only after sending the whole body. If the server closed the connection earlier,
/// they would report a connection error.
const MAX_DRAINED_BYTES: u64 = 64 << 20;

/// Maximum number of bytes allocated before they arrive. The client may declare more than it sends.
const MAX_PREALLOCATED_BYTES: usize = 128 << 10;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Media types of JSON bodies.
const JSON: &str = "application/json";
/// Media types of the bodies of PATCH, with JSON Merge Patch (RFC 7396).
const JSON_OR_MERGE_PATCH: &str = "application/json, application/merge-patch+json";

/// Checks that the body has no content coding (RFC 9110 section 8.4), because the server supports none.
///
/// # Errors
/// Returns a 415 problem if `Content-Encoding` is other than `identity`.
pub fn reject_content_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_identity = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(header::CONTENT_ENCODING).is_none_or(is_identity) {
        return Ok(());
    }
    Err(Problem::unsupported_content_encoding())
}

/// Returns the declared media type of a request's body, or `None` if the body is empty and not declared.
///
/// # Errors
/// Returns a 415 problem for a body without a media type. Pages of other origins can send such a body, and browsers send
/// no CORS preflight for it. `accepted` has the media types of the route.
pub fn declared_media_type<'a>(
    request: &'a Request,
    accepted: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let declared = media_type(request.headers());
    if declared.is_none() && !request.body().is_end_stream() {
        return Err(Problem::unsupported_media_type(accepted));
    }
    Ok(declared)
}

/// Unparsed text of a JSON body. Its media type and its encoding, UTF-8 (RFC 8259 section 8.1), are checked.
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
    /// Reads the body of `request` within `limits`.
    ///
    /// # Errors
    /// Returns a problem if the media type is not JSON, the body is not UTF-8 or exceeds the limits, or the
    /// client disconnects.
    // The future of an `async fn` would hold the whole request until the body has arrived.
    pub fn from_request_with(
        request: Request,
        limits: BodyLimits,
    ) -> impl Future<Output = Result<Self, Problem>> + Send + use<> {
        let body = json_body(request, limits.size);
        async move {
            let bytes = tokio::time::timeout(limits.time, body?.collect());
            let bytes = bytes.await.map_err(|_| Problem::body_too_slow())??;
            let mut text = String::from_utf8(bytes).map_err(|error| {
                let position = error.utf8_error().valid_up_to();
                Problem::malformed(format!("the body is not valid UTF-8 at byte {position}"))
            })?;
            // RFC 8259 section 8.1 lets a parser ignore the mark, which some programs write.
            if text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len_utf8());
            }
            Ok(Self(text))
        }
    }
}

/// Checks the headers of a request with a JSON body. Returns the body, unread and limited to `size` bytes.
fn json_body(request: Request, size: usize) -> Result<LimitedBody, Problem> {
    reject_content_encoding(request.headers())?;
    let accepted = if request.method() == Method::PATCH { JSON_OR_MERGE_PATCH } else { JSON };
    if let Some(essence) = declared_media_type(&request, accepted)? {
        if !accepted.split(", ").any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
            return Err(Problem::unsupported_media_type(accepted));
        }
        check_charset(request.headers())?;
    }
    LimitedBody::new(request, size as u64)
}

/// A request body that is read chunk by chunk, up to a limit.
pub struct LimitedBody {
    data: BodyDataStream,
    /// Declared length in bytes; 0 if unknown.
    declared: u64,
    /// Bytes received so far.
    received: u64,
    /// Maximum number of bytes.
    limit: u64,
}

impl LimitedBody {
    /// Returns the body of `request`, limited to `limit` bytes.
    ///
    /// # Errors
    /// Returns a 413 problem if the declared length exceeds the limit and the body need not be read. This is
    /// the case if the client waits for `100 Continue`, or if the excess is above [`MAX_DRAINED_BYTES`].
    pub fn new(request: Request, limit: u64) -> Result<Self, Problem> {
        let declared = request.body().size_hint().lower();
        let expects_continue = request.headers().contains_key(header::EXPECT);
        if declared > limit && (expects_continue || declared > limit.saturating_add(MAX_DRAINED_BYTES)) {
            return Err(Problem::body_too_large(limit));
        }
        Ok(Self { data: request.into_body().into_data_stream(), declared, received: 0, limit })
    }

    /// Reads and returns the whole body.
    ///
    /// # Errors
    /// Returns the errors of [`LimitedBody::next_chunk`].
    async fn collect(mut self) -> Result<Vec<u8>, Problem> {
        let declared = usize::try_from(self.declared).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(declared.min(MAX_PREALLOCATED_BYTES));
        while let Some(chunk) = self.next_chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Reads the next chunk. Returns `None` after the last one.
    ///
    /// # Errors
    /// Returns a 413 problem if the body exceeds the limit, and a 499 problem if the client disconnected.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(chunk) = self.data.next().await {
            let chunk = chunk.map_err(|_| Problem::client_disconnected())?;
            self.received += chunk.len() as u64;
            if self.received <= self.limit {
                return Ok(Some(chunk));
            }
            if self.received > self.limit.saturating_add(MAX_DRAINED_BYTES) {
                break;
            }
        }
        if self.received > self.limit { Err(Problem::body_too_large(self.limit)) } else { Ok(None) }
    }
}
