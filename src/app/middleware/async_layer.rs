//! Layers written as one function each. A layer of axum's `from_fn` costs each request three allocations more.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{extract::Request, response::Response};
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

/// What a layer does around the service in it.
pub trait Middleware {
    /// Answers the request, as a rule by what the `inner` service answers.
    fn call<F>(
        &self,
        request: Request,
        inner: impl FnOnce(Request) -> F,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static;
}

/// The layer of such a function.
#[derive(Clone)]
pub struct MiddlewareLayer<A>(pub A);

impl<A: Clone, S> Layer<S> for MiddlewareLayer<A> {
    type Service = MiddlewareService<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        MiddlewareService { around: self.0.clone(), inner }
    }
}

/// A service within its layer.
#[derive(Clone)]
pub struct MiddlewareService<A, S> {
    around: A,
    inner: S,
}

impl<A, S> Service<Request> for MiddlewareService<A, S>
where
    A: Middleware,
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(self.around.call(request, |request| self.inner.call(request)))
    }
}
