//! GraphQL interface to the catalog: schema, execution and transports. It contains no business rules.

use axum::routing::get;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{access::Access, http::request_body::BodyLimits};

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
    pub body: BodyLimits,
}

/// Returns the router of `/graphql` and of the playground's files. OpenAPI describes only `/graphql`.
pub fn api() -> OpenApiRouter<GraphqlState> {
    OpenApiRouter::new()
        .routes(routes!(transport::http::get, transport::http::post))
        .route(transport::playground::FILES_ROUTE, get(transport::playground::file))
}
