//! Calls the handlers of recognized requests.

use axum::{
    Router,
    extract::{Request, State},
    handler::Handler as _,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use tower::Service;

use super::{
    Handlers,
    routes::{Direct, Handler, Recognized, Runtime},
};
use crate::{background_runtime, graphql, http::problem::Problem, rest};

impl Handlers {
    /// Runs the handler of a request on the runtime of its route, and returns the response.
    pub fn dispatch(&self, recognized: Recognized, request: Request) -> BoxFuture<'static, Response> {
        // `HEAD` requests always use axum's router, because it removes the body of the response.
        let handler = match recognized.route {
            Some(route) if request.method() != Method::HEAD => route.handler,
            _ => Handler::Router,
        };
        let response = if let (Handler::Direct(direct), Some((rest, graphql))) = (handler, &self.direct) {
            call(direct, rest, graphql, request)
        } else {
            Box::pin(self.router.clone().call(request).map(|Ok(response)| response))
        };
        if recognized.route.is_some_and(|route| route.runtime == Runtime::Background) {
            return Box::pin(background_runtime::run(response));
        }
        response
    }
}

fn call(
    direct: Direct,
    rest: &rest::RestState,
    graphql: &graphql::GraphqlState,
    request: Request,
) -> BoxFuture<'static, Response> {
    match direct {
        Direct::Product => {
            // The id is the last segment of the path.
            let id = request.uri().path().rsplit('/').next().unwrap_or_default();
            Box::pin(rest::get_by_id(rest.catalog.clone(), id, request.headers()))
        }
        Direct::List => Box::pin(rest::list.call(request, rest.clone())),
        Direct::Create => Box::pin(rest::create.call(request, rest.clone())),
        Direct::Graphql => Box::pin(graphql::post(State(graphql.clone()), request)),
    }
}

/// Adds the 404 and 405 responses to requests that have no route.
pub fn with_fallbacks(router: Router) -> Router {
    router.fallback(no_route).method_not_allowed_fallback(method_not_allowed)
}

async fn no_route(uri: Uri) -> Problem {
    Problem::no_route(uri.path())
}

/// Returns 204 for `OPTIONS`, otherwise 405. axum adds the `Allow` header to both.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::method_not_allowed(method.as_str()).into_response()
}
