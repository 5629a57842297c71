//! GraphQL interface to the catalog: schema, execution and transports. It contains no business rules.

use axum::{Router, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{access::Access, http::request_body::BodyReader};

mod error;
mod execution;
mod prebuilt_json;
#[cfg(test)]
mod prebuilt_json_test;
mod schema;
mod subscription_signal;
mod transport;

pub use error::{GraphqlErrorCode, codes};
pub use execution::limits::Limits;
pub use execution::observer::{OperationKind, OperationObserver, Outcome};
pub use execution::service::Service;
pub use schema::sdl;
pub(crate) use transport::http::post;
pub use transport::websocket::WebSockets;

/// State of the GraphQL handlers. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlState {
    pub service: Service,
    pub sockets: WebSockets,
    pub access: Access,
    pub body: BodyReader,
    /// Whether browsers receive the playground.
    pub playground: bool,
}

/// Returns the router of `/graphql`.
pub fn api() -> OpenApiRouter<GraphqlState> {
    OpenApiRouter::new().routes(routes!(transport::http::get, transport::http::post))
}

/// Returns the router of the playground's files.
pub fn playground_files() -> Router {
    Router::new().route(transport::playground::FILES_ROUTE, get(transport::playground::file))
}
