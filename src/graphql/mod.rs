//! GraphQL over the catalog: schema, inputs, limits, errors with codes, transports, playground. No rules.

use axum::routing::get;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::body::BodyLimits;

mod answer;
mod documents;
mod error;
mod filter;
mod http;
mod limits;
mod lookup;
mod mutation;
mod nesting;
mod openapi;
mod page;
mod playground;
mod prepared;
mod product;
mod query;
mod ready;
mod request;
mod scalars;
mod schema;
mod service;
mod shape;
mod socket;
mod spans;
mod subscription;
mod validation;

pub use error::codes;
pub(crate) use http::post;
pub use limits::Limits;
pub use schema::sdl;
pub use service::{Service, Watch};
pub use socket::Sockets;

/// The routes with their methods and usual statuses.
pub const ROUTES: &[(&str, &str, &[u16])] = &[
    ("GET", "/graphql", &[101, 200, 400, 405, 503]),
    ("POST", "/graphql", &[200, 400, 408, 413, 415, 500, 503]),
    ("GET", playground::FILES_ROUTE, &[200, 404]),
];

/// What its handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlState {
    /// Answers operations.
    pub service: Service,
    /// Those that are open.
    pub sockets: Sockets,
    /// Bodies are taken within these.
    pub body: BodyLimits,
}

/// The route `/graphql`, described, and the files of its page.
pub fn api() -> OpenApiRouter<GraphqlState> {
    OpenApiRouter::new()
        .routes(routes!(http::get, http::post))
        .route(playground::FILES_ROUTE, get(playground::file))
}
