//! Reads request bodies within limits of size and time, for REST and GraphQL.

use std::{
    error::Error,
    io::{self, ErrorKind},
    iter::successors,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{BodyDataStream, Bytes, HttpBody},
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, HeaderValue, Method, header},
};
use futures_util::StreamExt;

use super::{
    body_text::{BodyBuffer, BodyText},
    limits::{
        Limit,
        budget::{Budget, Reservation},
        stored_responses::StoredResponses,
    },
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

/// Reads request bodies within the limits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BodyReader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: BodyLimits,
    /// Bytes of all bodies in memory.
    memory: Budget,
    /// Bytes of all uploaded files on disk.
    disk: Budget,
    permits: Permits,
    stored_responses: StoredResponses,
}

/// Permits, which are taken when the body has been received. A slow body holds none.
#[derive(Clone, Debug)]
pub struct Permits {
    pub requests: Budget,
    pub imports: Budget,
}

impl Permits {
    /// Creates `requests` permits for requests, and a quarter as many for imports, at least one.
    pub fn new(requests: u32) -> Self {
        let imports = (requests / 4).max(1);
        Self {
            requests: Budget::with_quarters(Limit::Requests, requests.into()),
            imports: Budget::with_quarters(Limit::Imports, imports.into()),
        }
    }
}

impl BodyReader {
    /// Creates a reader. All bodies together may have `memory` bytes in memory, and all files `disk` bytes on disk. A
    /// caller may have a quarter of that, but always one body and one file of the maximum size.
    pub fn new(
        limits: BodyLimits,
        memory: u64,
        disk: u64,
        permits: Permits,
        stored_responses: StoredResponses,
    ) -> Self {
        let budget = |limit, total: u64, largest: u64| {
            Budget::new(limit, total.max(largest), (total / 4).max(largest))
        };
        let memory = budget(Limit::Bodies, memory, limits.size as u64);
        let disk = budget(Limit::Uploads, disk, limits.import_size);
        Self(Arc::new(Inner { limits, memory, disk, permits, stored_responses }))
    }

    /// Returns the budget of bytes in memory.
    pub fn memory(&self) -> &Budget {
        &self.0.memory
    }

    /// Returns the budget of bytes on disk.
    pub fn disk(&self) -> &Budget {
        &self.0.disk
    }

    /// Takes a permit for the import of a file.
    ///
    /// # Errors
    /// Returns a 503 problem if no permit is free.
    pub fn import_permit(&self) -> Result<Reservation, Problem> {
        self.0.permits.imports.reserve_one()
    }

    /// Returns the limit of the responses stored for requests with an idempotency key.
    pub fn stored_responses(&self) -> &StoredResponses {
        &self.0.stored_responses
    }

    pub fn limits(&self) -> &BodyLimits {
        &self.0.limits
    }
}

/// Maximum number of excess bytes that are read and discarded before the server responds with 413. Most
/// clients read the response only after sending the whole body. If the server closed the connection earlier,
/// they would report a connection error.
const MAX_DRAINED_BYTES: u64 = 64 << 20;

/// Maximum time for which a body is read and discarded that the budget has no bytes for.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(1);

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
pub struct JsonBody(pub BodyText);

impl<S: Send + Sync> FromRequest<S> for JsonBody
where
    BodyReader: FromRef<S>,
{
    type Rejection = Problem;

    fn from_request(request: Request, state: &S) -> impl Future<Output = Result<Self, Problem>> + Send {
        Self::from_request_with(request, BodyReader::from_ref(state))
    }
}

impl JsonBody {
    /// Reads the body of `request` with `reader`.
    ///
    /// # Errors
    /// Returns a problem if the media type is not JSON, the body is not UTF-8 or exceeds the limits, or the
    /// client disconnects.
    // The future of an `async fn` would hold the whole request until the body has arrived.
    pub fn from_request_with(
        request: Request,
        reader: BodyReader,
    ) -> impl Future<Output = Result<Self, Problem>> + Send + use<> {
        let body = json_body(request, reader.0.limits.size);
        async move {
            let Inner { limits, memory, permits, .. } = &*reader.0;
            let buffer = tokio::time::timeout(limits.time, body?.collect(memory));
            let buffer = buffer.await.map_err(|_| Problem::body_too_slow())??;
            let text = buffer.into_text(permits.requests.reserve_one()?).map_err(|error| {
                let position = error.utf8_error().valid_up_to();
                Problem::malformed(format!("the body is not valid UTF-8 at byte {position}"))
            })?;
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

/// Returns the problem of a body that cannot be read.
fn unreadable(error: &(dyn Error + 'static)) -> Problem {
    let mut causes = successors(Some(error), |&error| error.source());
    // hyper reports invalid chunks with these kinds.
    let is_invalid = causes.any(|error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData))
    });
    if is_invalid {
        Problem::malformed("the body has invalid chunks (RFC 9112 section 7.1)")
    } else {
        Problem::client_disconnected()
    }
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
    /// Returns the errors of [`LimitedBody::next_chunk`], and a 503 problem if the budget has no bytes left.
    async fn collect(mut self, budget: &Budget) -> Result<BodyBuffer, Problem> {
        let expected = if self.declared == 0 { self.limit } else { self.declared };
        let mut buffer = BodyBuffer::new(budget, usize::try_from(expected).unwrap_or(usize::MAX));
        while let Some(chunk) = self.next_chunk().await? {
            if let Err(problem) = buffer.append(&chunk) {
                drop(buffer);
                self.discard().await;
                return Err(problem);
            }
        }
        Ok(buffer)
    }

    /// Reads and discards the rest of a body that is rejected, because most clients read the response only after
    /// sending the whole body.
    pub async fn discard(mut self) {
        let rest = async { while let Ok(Some(_)) = self.next_chunk().await {} };
        let _ = tokio::time::timeout(MAX_DISCARD_TIME, rest).await;
    }

    /// Reads the next chunk. Returns `None` after the last one.
    ///
    /// # Errors
    /// Returns a 413 problem if the body exceeds the limit, a 400 problem if its chunks are invalid, and a 499 problem if
    /// the client disconnected.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(chunk) = self.data.next().await {
            let chunk = chunk.map_err(|error| unreadable(&error))?;
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
