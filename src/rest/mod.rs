//! The REST interface. Handlers parse requests, call the catalog, which validates, and write responses.

use axum::extract::FromRef;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    catalog::{Catalog, Error},
    http::request_body::BodyLimits,
};

mod changes;
mod collection;
pub mod idempotency;
mod item;
mod list;
mod list_query;
mod openapi;
mod path;
mod preconditions;
pub mod prefer;
mod response;
mod response_format;
mod upload;

pub(crate) use collection::create;
pub(crate) use item::get_by_id;
pub(crate) use list::list;

/// Method, path and expected statuses of each route.
pub const ROUTES: &[(&str, &str, &[u16])] = &[
    ("GET", "/products", &[200, 400, 422, 500, 503]),
    ("POST", "/products", &[200, 201, 400, 409, 413, 415, 422, 500, 503]),
    ("PUT", "/products", &[200, 400, 404, 409, 413, 415, 422, 500, 503]),
    ("DELETE", "/products", &[200, 400, 422, 500, 503]),
    ("GET", "/products/changes", &[200, 400, 422, 500, 503]),
    ("GET", "/products/{product_id}", &[200, 304, 404, 422, 500, 503]),
    ("PUT", "/products/{product_id}", &[200, 201, 400, 404, 412, 413, 415, 422, 500, 503]),
    ("PATCH", "/products/{product_id}", &[200, 400, 404, 412, 413, 415, 422, 500, 503]),
    ("DELETE", "/products/{product_id}", &[204, 404, 412, 422, 500, 503]),
    ("POST", "/products/{product_id}/stock", &[200, 400, 404, 409, 412, 413, 415, 422, 500, 503]),
];

/// State of the handlers, cheap to clone.
#[derive(Clone)]
pub struct RestState {
    pub catalog: Catalog,
    pub body_limits: BodyLimits,
}

impl FromRef<RestState> for Catalog {
    fn from_ref(state: &RestState) -> Self {
        state.catalog.clone()
    }
}

impl FromRef<RestState> for BodyLimits {
    fn from_ref(state: &RestState) -> Self {
        state.body_limits
    }
}

/// Returns the router of `/products` with its OpenAPI description.
pub fn api() -> OpenApiRouter<RestState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(list::list, collection::create, collection::replace, collection::delete))
        .routes(routes!(changes::changes))
        .routes(routes!(item::get, item::replace, item::patch, item::delete))
        .routes(routes!(item::adjust_stock))
}

/// Returns the parsed object, or an error if the JSON value was not an object.
fn require_object<T>(object: Option<T>) -> Result<T, Error> {
    object.ok_or_else(Error::not_an_object)
}
