//! Converts a panic of a handler into a problem.

use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::{domain::Error, http::problem::Problem, panics};

/// Runs a handler and returns its response, or a 500 problem if it panics. The panic message is logged but
/// not sent.
pub async fn catch(handler: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(panic = panics::panic_message(&*panic), "a handler panicked");
        Problem::from(Error::Internal).into_response()
    })
}
