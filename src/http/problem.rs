//! RFC 9457 problems: the one place where an error becomes a response, for every room.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Error, ErrorCode, Product},
    formats::{ImportError, json::Malformed},
    request_context::{self, RequestId},
};

/// Seconds that a client should wait before it tries again: the pool and the database recover in less.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What went wrong, for a client to read and for a program to decide on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    status: u16,
    code: Cow<'static, str>,
    title: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
}

/// One bad field.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FieldError {
    pointer: String,
    /// Of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code: code.into(),
            title: title.into(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What happened, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// 400: the body can't be read as what it says it is.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", "The request can't be read", detail)
    }

    /// 401: not the one who may.
    pub fn unauthorized() -> Self {
        let detail = "show the token: Authorization: Bearer …";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Unauthorized", detail)
    }

    /// 404: no such route.
    pub fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {path}; GET / lists what there is");
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound.as_str(), "Not found", detail)
    }

    /// 405: the route has other methods (in `Allow`).
    pub fn method_not_allowed(method: &str) -> Self {
        let detail = format!("{method} is not possible here; the Allow header lists what is");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Method not allowed", detail)
    }

    /// 499, as nginx has it: the client left before its body had arrived. Counted, and seen by nobody.
    pub fn client_left() -> Self {
        let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, "CLIENT_LEFT", "Client left", "the body did not arrive whole")
    }

    /// 408: the body takes too long to arrive.
    pub fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", "Body too slow", detail)
    }

    /// 503: as many requests as the server takes at a time are under way.
    pub fn overloaded() -> Self {
        let detail = "the server has too many requests at the moment: try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", "Overloaded", detail)
    }

    /// 413: more bytes than the server takes.
    pub fn body_too_large(limit: u64) -> Self {
        Self::too_large(format!("the body is larger than {limit} bytes: send it in parts"))
    }

    /// 413, in other words.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "Body too large", detail)
    }

    /// 415: not a type that the route takes.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let detail = format!("send the body with Content-Type: {accepted}");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "Unsupported media type",
            detail,
        )
    }

    /// 415: a body that is compressed.
    pub fn encoded() -> Self {
        let detail = "send the body as it is, without Content-Encoding";
        Self { detail: detail.to_owned(), ..Self::unsupported_media_type("") }
    }

    /// 412: something is there already.
    pub fn exists(product: &Product) -> Self {
        let detail = format!("there is a product {} already, at version {}", product.id, product.version);
        Self { detail, ..Error::VersionMismatch(product.version).into() }
    }

    /// 503: it took too long.
    pub fn timeout() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "TIMEOUT",
            "Timeout",
            "the request took too long; what it changes may still be carried out: look before you send it again",
        )
    }
}

impl From<Malformed> for Problem {
    fn from(error: Malformed) -> Self {
        Self::malformed(format!("the body is {error}"))
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Catalog(error) => error.into(),
            ImportError::Read(error) => {
                tracing::error!(%error, "an uploaded file can't be read");
                Error::Internal.into()
            }
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, title) = match error.code() {
            ErrorCode::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid values"),
            ErrorCode::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            ErrorCode::Duplicate => (StatusCode::CONFLICT, "Id taken"),
            ErrorCode::IdsExhausted => (StatusCode::CONFLICT, "No id left"),
            ErrorCode::VersionMismatch => (StatusCode::PRECONDITION_FAILED, "Another version"),
            ErrorCode::VersionRequired => (StatusCode::PRECONDITION_REQUIRED, "Version required"),
            ErrorCode::InsufficientStock => (StatusCode::CONFLICT, "Not enough in stock"),
            ErrorCode::TooMuchStock => (StatusCode::CONFLICT, "Too much in stock"),
            ErrorCode::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency key reused"),
            ErrorCode::KeyInUse => (StatusCode::CONFLICT, "Idempotency key in use"),
            ErrorCode::TooManySubscriptions => (StatusCode::SERVICE_UNAVAILABLE, "Too many subscriptions"),
            ErrorCode::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, "Too slow"),
            ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Database unavailable"),
            ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        };
        let errors = error
            .field_errors()
            .iter()
            .map(|fault| FieldError {
                pointer: fault.pointer(),
                line: fault.line(),
                detail: fault.detail.to_string(),
            })
            .collect();
        Self { errors, ..Self::new(status, error.code().as_str(), title, error.to_string()) }
    }
}

impl IntoResponse for Problem {
    /// Only the status; [`render`] writes the rest, since it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem into a response that has one.
pub fn render(mut response: Response, id: &RequestId) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    if problem.status().is_server_error() {
        request_context::record_error_code(&problem.code);
    }
    let body = ProblemBody {
        // A name, not an address: it stays the same wherever the server runs.
        kind: format!("urn:stockmeter:problem:{}", problem.code.to_ascii_lowercase().replace('_', "-")),
        title: &problem.title,
        status: problem.status,
        detail: &problem.detail,
        code: &problem.code,
        errors: &problem.errors,
        request_id: id.to_string(),
    };
    let json = serde_json::to_vec(&body).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    *response.body_mut() = Body::from(json);
    response
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    request_id: String,
}
