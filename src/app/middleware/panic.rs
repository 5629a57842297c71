//! Converts a panic of a handler to a problem.

use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::{domain::Error, http::problem::Problem, panics};

/// Runs a handler. A panic is logged with its message, which no client sees.
pub async fn catch(handler: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(panic = panics::panic_message(&*panic), "a handler panicked");
        Problem::from(Error::Internal).into_response()
    })
}
