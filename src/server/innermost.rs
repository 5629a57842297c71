//! The layer around the rooms: whatever goes wrong in them becomes a problem.

use std::{
    any::Any,
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use tower::Service;
use tower_http::request_id::RequestId;

use super::places::brings_file;
use crate::{
    body::BodyLimits,
    catalog::Error,
    panics,
    problem::{self, Problem},
};

/// The layer.
#[derive(Clone)]
pub struct Innermost<S> {
    inner: S,
    body: BodyLimits,
}

impl<S> Innermost<S> {
    /// Around `inner`.
    pub fn new(inner: S, body: BodyLimits) -> Self {
        Self { inner, body }
    }
}

impl<S> Service<Request> for Innermost<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = request.extensions().get::<RequestId>().cloned();
        // The body's time and the same again for the answer.
        let limit = if brings_file(&request) { self.body.import_time } else { self.body.time * 2 };
        request.extensions_mut().insert(self.body);
        let run = AssertUnwindSafe(tokio::time::timeout(limit, self.inner.call(request))).catch_unwind();
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
