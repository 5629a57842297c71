//! Limits the time until the response headers.

use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::http::{problem::Problem, request_body::BodyLimits};

/// Returns how long a handler may take: the time of its body, and as long again for the work.
pub fn limit(body: &BodyLimits, is_import: bool) -> Duration {
    if is_import { body.import_time } else { body.time * 2 }
}

/// Runs a handler, or responds with 503 if it takes too long.
pub async fn run(limit: Duration, handler: impl Future<Output = Response>) -> Response {
    let response = tokio::time::timeout(limit, handler).await;
    response.unwrap_or_else(|_| Problem::timeout().into_response())
}
