//! The application: all routes with one stack of middleware.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use axum::{Router, extract::Request, response::Response};
use futures_util::FutureExt;

use crate::{graphql::GraphqlState, rest::RestState};

pub mod background_tasks;
pub mod dispatch;
pub mod instrumentation;
pub mod middleware;
pub mod openapi;
pub mod routes;
pub mod wiring;

use middleware::Middleware;
use routes::RouteTable;

/// Routes, middleware and handlers of one listener. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    routes: RouteTable,
    middleware: Middleware,
    handlers: Handlers,
}

/// Handlers of one listener.
pub struct Handlers {
    /// Router for all handlers that are not called directly, and for requests without a route.
    pub router: Router,
    /// State of the handlers that are called directly; `None` on a listener without them.
    pub direct: Option<(RestState, GraphqlState)>,
}

impl App {
    /// Combines handlers with the middleware, and adds the responses to requests without a route.
    pub fn new(routes: RouteTable, middleware: Middleware, handlers: Handlers) -> Self {
        let handlers =
            Handlers { router: dispatch::with_fallbacks(handlers.router), direct: handlers.direct };
        Self(Arc::new(Inner { routes, middleware, handlers }))
    }

    /// Counts a connection that the server closed because the client broke the protocol.
    pub fn record_aborted_connection(&self) {
        self.0.middleware.metrics.record_aborted_connection();
    }

    /// Handles a request and returns its response. `peer` is the other end of the connection.
    pub fn call(
        &self,
        request: Request,
        peer: IpAddr,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        Box::pin(middleware::handle(self.clone(), request, peer).map(Ok))
    }
}

#[cfg(test)]
mod tests;
