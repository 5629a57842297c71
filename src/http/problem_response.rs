//! Responses with a problem. The body is written last, because it contains the request id.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    problem::{FieldError, Problem, RETRY_AFTER_SECONDS},
    problem_code::ProblemCode,
};
use crate::request_context::{self, RequestId};

impl IntoResponse for Problem {
    /// Returns a response that has only the status and carries the problem. [`render`] adds headers and body
    /// later, because the body contains the request id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns a response with the headers and body of the [`Problem`] that it carries. Returns other responses
/// unchanged.
pub fn render(mut response: Response, id: &RequestId) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    if problem.status().is_server_error() {
        request_context::record_error_code(problem.code().as_str());
    }
    let body = ProblemBody {
        kind: problem.code().urn(),
        title: problem.code().title(),
        status: problem.status().as_u16(),
        detail: problem.detail(),
        code: problem.code(),
        errors: problem.errors(),
        request_id: id.to_string(),
    };
    let json = serde_json::to_vec(&body).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    problem.add_header(headers);
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
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: ProblemCode,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    request_id: String,
}
