//! What every request goes through, written once.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{Extension, Request, State},
    http::{Method, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, error, info_span};

use crate::{
    body::BodyLimit,
    catalog::Error,
    problem::{self, Problem},
    telemetry::http::{HttpMetrics, measure},
};

/// The rooms within their layers, outermost first.
pub fn wrap(rooms: Router, metrics: HttpMetrics, timeout: Duration, body_limit: usize) -> Router {
    rooms.fallback(no_route).method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            // First, so that whatever happens below is counted.
            .layer(middleware::from_fn_with_state(metrics, measure))
            // The id comes before all that logs or answers with it.
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(TraceLayer::new_for_http().make_span_with(span))
            // Outside of everything that makes problems.
            .layer(middleware::from_fn(problem::render))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn_with_state(timeout, time_out))
            .layer(Extension(BodyLimit(body_limit))),
    )
}

fn span(request: &Request) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    info_span!("request", id, method = %request.method(), path = request.uri().path())
}

async fn no_route(uri: Uri) -> Problem {
    Problem::no_route(uri.path())
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::method_not_allowed(method.as_str())
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or(panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.unwrap_or("(no text)"), "a handler panicked");
    Problem::from(Error::Internal).into_response()
}

async fn time_out(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_| Problem::timeout().into_response())
}
