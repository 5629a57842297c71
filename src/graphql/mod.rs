//! GraphQL over the catalog: schema, inputs, limits, errors with codes, transports, playground. No rules.

use axum::routing::get;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::request_body::BodyLimits;

mod error;
mod execution;
mod schema;
mod transport;

pub use error::codes;
pub use execution::cost::Limits;
pub use execution::service::{OperationObserver, Service};
pub use schema::sdl;
pub(crate) use transport::http::post;
pub use transport::websocket::WebSockets;

/// The routes with their methods and usual statuses.
pub const ROUTES: &[(&str, &str, &[u16])] = &[
    ("GET", "/graphql", &[101, 200, 400, 405, 503]),
    ("POST", "/graphql", &[200, 400, 408, 413, 415, 500, 503]),
    ("GET", transport::playground::FILES_ROUTE, &[200, 404]),
];

/// What its handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlState {
    /// Answers operations.
    pub service: Service,
    /// Those that are open.
    pub sockets: WebSockets,
    /// Bodies are taken within these.
    pub body: BodyLimits,
}

/// The route `/graphql`, described, and the files of its page.
pub fn api() -> OpenApiRouter<GraphqlState> {
    OpenApiRouter::new()
        .routes(routes!(transport::http::get, transport::http::post))
        .route(transport::playground::FILES_ROUTE, get(transport::playground::file))
}
