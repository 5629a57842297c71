//! What every request goes through, by axum's router or by a shortcut.

pub mod async_layer;
pub mod bearer_auth;
pub mod compression;
pub mod concurrency_limit;
pub mod cors;
pub mod guard;
pub mod observe;
pub mod request_id;
pub mod response_headers;

use std::convert::Infallible;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, lazy},
};
use tower::ServiceBuilder;

use async_layer::{Middleware, MiddlewareLayer};
use concurrency_limit::ConcurrencyLimits;
use guard::Guard;
use observe::Observe;

use crate::{
    http::{problem::Problem, request_body::BodyLimits},
    telemetry::HttpMetrics,
};

/// The rooms within their layers, together with those for which a request needs a place; pages of these `origins` may use
/// them.
pub fn apply_middleware(
    rooms: Router,
    with_places: Option<(Router, ConcurrencyLimits)>,
    metrics: &HttpMetrics,
    body: BodyLimits,
    origins: &[HeaderValue],
) -> Router {
    let cors_layer = (!origins.is_empty()).then(|| cors::cors_layer(origins));
    let with_layers = |rooms: Router, places: Option<ConcurrencyLimits>| {
        rooms.method_not_allowed_fallback(method_not_allowed).layer(
            ServiceBuilder::new()
                .layer(MiddlewareLayer(Observe { metrics: metrics.clone(), endpoint: None }))
                // Answers by itself what browsers ask before they send.
                .option_layer(cors_layer.clone())
                .layer(MiddlewareLayer(Guard { body, places })),
        )
    };
    let free = with_layers(rooms.fallback(no_route), None);
    match with_places {
        Some((rooms, places)) => free.merge(with_layers(rooms, Some(places))),
        None => free,
    }
}

/// The way to an endpoint whose handler is found without the router: the layers of [`apply_middleware`], but for other origins.
pub struct DirectRoute {
    outermost: Observe,
    innermost: Guard,
}

impl DirectRoute {
    /// To this endpoint.
    pub fn new(
        endpoint: &'static str,
        metrics: &HttpMetrics,
        body: BodyLimits,
        places: Option<ConcurrencyLimits>,
    ) -> Self {
        let outermost = Observe { metrics: metrics.clone(), endpoint: Some(endpoint) };
        Self { outermost, innermost: Guard { body, places } }
    }

    /// Answers a request by its handler.
    pub fn call<H, F>(&self, request: Request, handler: H) -> BoxFuture<'static, Result<Response, Infallible>>
    where
        H: FnOnce(Request) -> F + Send + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        // Called when it is polled: only then is a panic caught, and a line that of the request.
        let handler = |request| lazy(move |_| handler(request)).flatten().map(Ok);
        let inner = |request| self.innermost.call(request, handler);
        Box::pin(self.outermost.call(request, inner))
    }
}

async fn no_route(uri: Uri) -> Problem {
    Problem::no_route(uri.path())
}

/// `OPTIONS` asks for just the `Allow` that such an answer carries.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::method_not_allowed(method.as_str()).into_response()
}
