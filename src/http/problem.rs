//! RFC 9457 problems: every error response of the HTTP interface, and the conversion of errors into them.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Error, ErrorCode, Product},
    formats::{ImportError, json::MalformedJson},
    request_context::{self, RequestId},
};

/// Seconds before a client should retry. An overload or a short database outage is usually over by then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An error response: a title and a detail for people, a code for programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    status: u16,
    code: Cow<'static, str>,
    title: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
}

/// An invalid field of the request body.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, or into the line of a file.
    pointer: String,
    /// Line number in an uploaded file, from 1.
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

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// 400: the request is not well-formed.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", "Malformed request", detail)
    }

    /// 401: the bearer token is missing or wrong.
    pub fn unauthorized() -> Self {
        let detail = "authentication required: send `Authorization: Bearer <token>`";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Unauthorized", detail)
    }

    /// 404: no route has this path.
    pub fn no_route(path: &str) -> Self {
        let detail = format!("no route for {path}; GET / lists the routes");
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound.as_str(), "Not found", detail)
    }

    /// 405: the route has no such method. The response lists the allowed ones in `Allow`.
    pub fn method_not_allowed(method: &str) -> Self {
        let detail = format!("method {method} is not allowed; see the Allow header");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Method not allowed", detail)
    }

    /// 499, nginx's status for this: the client disconnected before the whole body arrived. Appears in
    /// metrics and logs only.
    pub fn client_disconnected() -> Self {
        let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
        let detail = "the client disconnected while sending the body";
        Self::new(status, "CLIENT_LEFT", "Client disconnected", detail)
    }

    /// 408: the body did not arrive in time.
    pub fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", "Body too slow", detail)
    }

    /// 503: the limit of concurrent requests is reached.
    pub fn overloaded() -> Self {
        let detail = "the server has too many requests: retry later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", "Overloaded", detail)
    }

    /// 413: the body exceeds the limit, in bytes.
    pub fn body_too_large(limit: u64) -> Self {
        Self::too_large(format!("the body is larger than {limit} bytes: split it into several requests"))
    }

    /// 413, for limits other than the body's size in bytes.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "Body too large", detail)
    }

    /// 415: the route does not accept the body's media type.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let detail = format!("unsupported media type: send Content-Type {accepted}");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "Unsupported media type",
            detail,
        )
    }

    /// 415: the body has a content coding, such as gzip.
    pub fn unsupported_content_encoding() -> Self {
        let detail = "unsupported content encoding: send the body uncompressed";
        Self { detail: detail.to_owned(), ..Self::unsupported_media_type("") }
    }

    /// 412: a product with the id of a create-only request exists.
    pub fn product_exists(product: &Product) -> Self {
        let detail = format!("product {} already exists, at version {}", product.id, product.version);
        Self { detail, ..Error::VersionMismatch(product.version).into() }
    }

    /// 503: the request exceeded its time limit.
    pub fn timeout() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "TIMEOUT",
            "Timeout",
            "the request timed out; a write may still take effect, so check before retrying",
        )
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
        let (status, title) = match error.code() {
            ErrorCode::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid values"),
            ErrorCode::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            ErrorCode::Duplicate => (StatusCode::CONFLICT, "Id already in use"),
            ErrorCode::IdsExhausted => (StatusCode::CONFLICT, "Ids exhausted"),
            ErrorCode::VersionMismatch => (StatusCode::PRECONDITION_FAILED, "Version mismatch"),
            ErrorCode::VersionRequired => (StatusCode::PRECONDITION_REQUIRED, "Version required"),
            ErrorCode::InsufficientStock => (StatusCode::CONFLICT, "Insufficient stock"),
            ErrorCode::TooMuchStock => (StatusCode::CONFLICT, "Stock limit exceeded"),
            ErrorCode::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency key reused"),
            ErrorCode::KeyInUse => (StatusCode::CONFLICT, "Idempotency key in use"),
            ErrorCode::TooManySubscriptions => (StatusCode::SERVICE_UNAVAILABLE, "Too many subscriptions"),
            ErrorCode::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, "Subscriber too slow"),
            ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Database unavailable"),
            ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        };
        let errors = error
            .field_errors()
            .iter()
            .map(|field| FieldError {
                pointer: field.pointer(),
                line: field.line(),
                detail: field.detail.to_string(),
            })
            .collect();
        Self { errors, ..Self::new(status, error.code().as_str(), title, error.to_string()) }
    }
}

impl IntoResponse for Problem {
    /// Sets the status only. [`render`] writes headers and body later, because it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a response that carries a [`Problem`]; returns other responses unchanged.
pub fn render(mut response: Response, id: &RequestId) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    if problem.status().is_server_error() {
        request_context::record_error_code(&problem.code);
    }
    let body = ProblemBody {
        // A URN, not a URL, because it must not depend on the server's address.
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

/// The members of an `application/problem+json` body.
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
