//! RFC 9457 problems, the common format of error responses, and the conversion of errors into them.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::problem_code::ProblemCode;
use crate::{
    domain::{Error, Product, Scope},
    formats::{ImportError, json::MalformedJson},
};

/// Value of `Retry-After`, in seconds. Overloads and failovers of the database are usually short.
pub const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

macro_rules! insufficient_scope {
    ($scope:literal) => {
        concat!(r#"Bearer realm="stockmeter", error="insufficient_scope", scope=""#, $scope, '"')
    };
}

/// Header of a response that needs credentials (RFC 9110 section 11.6.1).
const CHALLENGE: &str = "www-authenticate";

/// An error response, with a detail for people and a code for programs.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    errors: Vec<FieldError>,
    /// Name and value of a header that says what the server needs or accepts instead; `None` if there is no such
    /// header.
    #[serde(skip)]
    header: Option<(&'static str, &'static str)>,
    /// Seconds after which the client may try again; 0 for the usual time.
    #[serde(skip)]
    retry_after: u32,
}

/// An invalid field of the request body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FieldError {
    /// JSON Pointer (RFC 6901) to the field in the body, or in the line of a file.
    pointer: String,
    /// Line number in an uploaded file, from 1; `None` for other bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    detail: String,
}

impl Problem {
    fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), header: None, retry_after: 0 }
    }

    pub fn code(&self) -> ProblemCode {
        self.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// Returns the 400 problem for a request that is not well-formed.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Malformed, detail)
    }

    /// Returns the 401 problem for a bearer token that is not the expected one.
    pub fn invalid_token() -> Self {
        let problem =
            Self::new(ProblemCode::Unauthorized, "the token is unknown or has ended: send a valid token");
        // RFC 6750 section 3.1 has the error only for a request that carries a token.
        Self { header: Some((CHALLENGE, r#"Bearer realm="stockmeter", error="invalid_token""#)), ..problem }
    }

    /// Returns the 403 problem for a request that a browser sent for a page of another origin.
    pub fn foreign_origin() -> Self {
        let detail = "a page of another origin sent the request: add its origin to STOCKMETER_CORS_ORIGINS to allow it";
        Self::new(ProblemCode::Forbidden, detail)
    }

    /// Returns the 404 problem for a path without a route.
    pub fn no_route(path: &str) -> Self {
        let detail = format!("no route for {path}: see GET / for the routes");
        Self::new(ProblemCode::NotFound, detail)
    }

    /// Returns the 405 problem for a method that the route does not allow. The router adds `Allow`.
    pub fn method_not_allowed(method: &str) -> Self {
        let detail = format!("method {method} is not allowed: see the Allow header");
        Self::new(ProblemCode::MethodNotAllowed, detail)
    }

    /// Returns the 421 problem for a host that the listener does not serve (RFC 9110 section 15.5.20).
    pub fn misdirected(host: &str) -> Self {
        let detail = format!("the server does not serve the host {host}: add it to STOCKMETER_HOSTS");
        Self::new(ProblemCode::Misdirected, detail)
    }

    /// Returns the 499 problem for a client that disconnected before the whole body arrived.
    pub fn client_disconnected() -> Self {
        Self::new(ProblemCode::ClientDisconnected, "the client disconnected while sending the body")
    }

    /// Returns the 408 problem for a body that did not arrive in time.
    pub fn body_too_slow() -> Self {
        Self::new(ProblemCode::BodyTooSlow, "the body did not arrive in time")
    }

    /// Returns the 503 problem for a request above a limit of the server.
    pub fn overloaded(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Overloaded, detail)
    }

    /// Returns the 429 problem for a client that failed to authenticate too often.
    pub fn too_many_failures(wait: Duration) -> Self {
        let seconds = seconds_rounded_up(wait);
        let detail = format!("too many failed authentications: retry in {seconds} s with a valid token");
        Self { retry_after: seconds, ..Self::new(ProblemCode::RateLimited, detail) }
    }

    /// Returns the 429 problem for a client that exceeds its rate of requests.
    pub fn too_many_requests(wait: Duration) -> Self {
        let seconds = seconds_rounded_up(wait);
        let detail = format!("the client exceeds its rate of requests: retry in {seconds} s");
        Self { retry_after: seconds, ..Self::new(ProblemCode::RateLimited, detail) }
    }

    /// Returns the seconds after which a client may try again that was too fast, otherwise `None`.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        (self.code == ProblemCode::RateLimited).then_some(self.retry_after)
    }

    /// Returns the time after which the client may try again, or `None` if that would not help.
    pub(super) fn retry_after(&self) -> Option<HeaderValue> {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_SECONDS),
            StatusCode::TOO_MANY_REQUESTS => Some(self.retry_after.into()),
            _ => None,
        }
    }

    /// Returns the 413 problem for a body of more than `limit` bytes.
    pub fn body_too_large(limit: u64) -> Self {
        Self::too_large(format!("the body is larger than {limit} bytes: split it into several requests"))
    }

    /// Returns the 413 problem for another limit than the body's size in bytes.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::BodyTooLarge, detail)
    }

    /// Returns the 415 problem for a media type that the route does not accept. `accepted` is the value for the
    /// header `Accept` (RFC 9110 section 15.5.16).
    pub fn unsupported_media_type(accepted: &'static str) -> Self {
        let types = match accepted.rsplit_once(", ") {
            Some((first, last)) => format!("{first} or {last}"),
            None => accepted.to_owned(),
        };
        let detail = format!("unsupported media type: send Content-Type {types}");
        let problem = Self::new(ProblemCode::UnsupportedMediaType, detail);
        Self { header: Some(("accept", accepted)), ..problem }
    }

    /// Returns the 415 problem for a parameter of the media type that the server does not support.
    pub fn unsupported_parameter(parameter: &str, remedy: &str) -> Self {
        let detail = format!("unsupported media type parameter {parameter}: {remedy}");
        Self::new(ProblemCode::UnsupportedMediaType, detail)
    }

    /// Returns the 415 problem for a body with a content coding, such as gzip.
    pub fn unsupported_content_encoding() -> Self {
        let detail = "unsupported content encoding: send the body uncompressed";
        let problem = Self::new(ProblemCode::UnsupportedMediaType, detail);
        // Clients tell this cause from an unsupported media type by the header (RFC 7694 section 3).
        Self { header: Some(("accept-encoding", "identity")), ..problem }
    }

    /// Returns the 500 problem for a file that cannot be stored until its import. The log has the reason.
    pub fn cannot_store_upload() -> Self {
        let detail = "the server cannot store the uploaded file: its operator must check the temporary folder (TMPDIR)";
        Self::new(ProblemCode::Internal, detail)
    }

    /// Returns the 412 problem for a create-only request whose product exists.
    pub fn product_exists(product: &Product) -> Self {
        let detail =
            format!("product {} already exists: its current version is {}", product.id, product.version);
        Self::new(ProblemCode::VersionMismatch, detail)
    }

    /// Returns the 503 problem for a request that exceeded its time limit.
    pub fn timeout() -> Self {
        let detail = "the request timed out: before retrying, check whether a write took effect";
        Self::new(ProblemCode::Timeout, detail)
    }
}

/// Returns the whole seconds of a time to wait, rounded up, because a client that comes too early is rejected again.
pub(super) fn seconds_rounded_up(wait: Duration) -> u32 {
    u32::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

impl Problem {
    /// Adds the header that says what the server needs or accepts instead, if there is one.
    pub fn add_header(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = self.header {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}

impl Serialize for Problem {
    /// Serializes the problem for storage under an idempotency key. The status and the title are included for
    /// other builds, which may read them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stored = serializer.serialize_struct("Problem", 5)?;
        stored.serialize_field("status", &self.status().as_u16())?;
        stored.serialize_field("code", &self.code)?;
        stored.serialize_field("title", self.code.title())?;
        stored.serialize_field("detail", &self.detail)?;
        stored.serialize_field("errors", &self.errors)?;
        stored.end()
    }
}

impl From<MalformedJson> for Problem {
    fn from(error: MalformedJson) -> Self {
        Self::malformed(format!("the body is {error}"))
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Catalog(error) => error.into(),
            ImportError::Read(error) => {
                tracing::error!(%error, "cannot read an uploaded file");
                Error::Internal.into()
            }
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let errors = error
            .field_errors()
            .iter()
            .map(|field| FieldError {
                pointer: field.pointer(),
                line: field.line(),
                detail: field.detail.to_string(),
            })
            .collect();
        let header = challenge(&error).map(|challenge| (CHALLENGE, challenge));
        Self { code: error.code().into(), detail: error.to_string(), errors, header, retry_after: 0 }
    }
}

/// Returns the challenge for an error of the access control, otherwise `None` (RFC 6750 section 3).
fn challenge(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Unauthorized => r#"Bearer realm="stockmeter""#,
        Error::Forbidden(Scope::Read) => insufficient_scope!("read"),
        Error::Forbidden(Scope::Write) => insufficient_scope!("write"),
        Error::Forbidden(Scope::Admin) => insufficient_scope!("admin"),
        Error::Forbidden(Scope::Metrics) => insufficient_scope!("metrics"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After an update or a downgrade, the server reads responses that another build has stored.
    #[test]
    fn stored_problems_keep_their_format() -> serde_json::Result<()> {
        let stored = [
            r#"{"status":422,"code":"INVALID","title":"Invalid values","detail":"name must not be empty","#,
            r#""errors":[{"pointer":"/0/name","detail":"must not be empty"},"#,
            r#"{"pointer":"/price","line":2,"detail":"must not be negative"}]}"#,
        ]
        .concat();
        let problem: Problem = serde_json::from_str(&stored)?;
        assert_eq!((problem.code, problem.status().as_u16()), (ProblemCode::Invalid, 422));
        assert_eq!(serde_json::to_string(&problem)?, stored);

        let stored =
            r#"{"status":409,"code":"DUPLICATE_ID","title":"Id already in use","detail":"x","errors":[]}"#;
        let problem: Problem = serde_json::from_str(stored)?;
        assert_eq!(serde_json::to_string(&problem)?, stored);
        Ok(())
    }
}
