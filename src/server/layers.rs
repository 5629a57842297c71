//! What every request goes through, by axum's router or by a shortcut.

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

use super::{
    around::{Around, AroundLayer},
    innermost::Innermost,
    manners,
    outermost::Outermost,
    places::Places,
};
use crate::{body::BodyLimits, problem::Problem, telemetry::HttpMetrics};

/// The rooms within their layers, together with those for which a request needs a place; pages of these `origins` may use
/// them.
pub fn wrap(
    rooms: Router,
    with_places: Option<(Router, Places)>,
    metrics: &HttpMetrics,
    body: BodyLimits,
    origins: &[HeaderValue],
) -> Router {
    let cross_origin = (!origins.is_empty()).then(|| manners::cross_origin(origins));
    let within = |rooms: Router, places: Option<Places>| {
        rooms.method_not_allowed_fallback(method_not_allowed).layer(
            ServiceBuilder::new()
                .layer(AroundLayer(Outermost { metrics: metrics.clone(), endpoint: None }))
                // Answers by itself what browsers ask before they send.
                .option_layer(cross_origin.clone())
                .layer(AroundLayer(Innermost { body, places })),
        )
    };
    let free = within(rooms.fallback(no_route), None);
    match with_places {
        Some((rooms, places)) => free.merge(within(rooms, Some(places))),
        None => free,
    }
}

/// The way to an endpoint whose handler is found without the router: the layers of [`wrap`], but for other origins.
pub struct Shortcut {
    outermost: Outermost,
    innermost: Innermost,
}

impl Shortcut {
    /// To this endpoint.
    pub fn new(
        endpoint: &'static str,
        metrics: &HttpMetrics,
        body: BodyLimits,
        places: Option<Places>,
    ) -> Self {
        let outermost = Outermost { metrics: metrics.clone(), endpoint: Some(endpoint) };
        Self { outermost, innermost: Innermost { body, places } }
    }

    /// Answers a request by its handler.
    pub fn answer<H, F>(
        &self,
        request: Request,
        handler: H,
    ) -> BoxFuture<'static, Result<Response, Infallible>>
    where
        H: FnOnce(Request) -> F + Send + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        // Called when it is polled: only then is a panic caught, and a line that of the request.
        let handler = |request| lazy(move |_| handler(request)).flatten().map(Ok);
        let inner = |request| self.innermost.answer(request, handler);
        Box::pin(self.outermost.answer(request, inner))
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
