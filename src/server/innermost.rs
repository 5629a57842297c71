//! The layer around the rooms: whatever goes wrong in them becomes a problem.

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower_http::request_id::RequestId;

use super::{
    around::{Answer, Around},
    places::brings_file,
};
use crate::{
    body::BodyLimits,
    catalog::Error,
    panics,
    problem::{self, Problem},
};

/// Bodies are taken within these limits, and answers given.
#[derive(Clone)]
pub struct Innermost(pub BodyLimits);

impl Around for Innermost {
    fn answer<F>(&self, mut request: Request, inner: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self(body) = *self;
        let id = request.extensions().get::<RequestId>().cloned();
        // The body's time and the same again for the answer.
        let limit = if brings_file(&request) { body.import_time } else { body.time * 2 };
        request.extensions_mut().insert(body);
        let run = AssertUnwindSafe(tokio::time::timeout(limit, inner(request))).catch_unwind();
        Box::pin(async move {
            let response = match run.await {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(_)) => Problem::timeout().into_response(),
                Err(panic) => panicked(&*panic),
            };
            Ok(problem::render(response, id.as_ref()))
        })
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    tracing::error!(panic = panics::text(panic), "a handler panicked");
    Problem::from(Error::Internal).into_response()
}
