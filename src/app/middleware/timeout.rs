//! Limits the time until the response headers.

use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::http::{problem::Problem, request_body::BodyLimits};

/// Returns the maximum time until the response headers. It is the import timeout for imports, otherwise twice
/// the time limit of the request body.
pub fn limit(body: &BodyLimits, is_import: bool) -> Duration {
    if is_import { body.import_time } else { body.time * 2 }
}

/// Runs a handler and returns its response, or a 503 response if the handler exceeds the limit.
pub async fn run(limit: Duration, handler: impl Future<Output = Response>) -> Response {
    let response = tokio::time::timeout(limit, handler).await;
    response.unwrap_or_else(|_| Problem::timeout().into_response())
}
