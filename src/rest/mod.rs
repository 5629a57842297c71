//! The REST interface. Handlers parse requests, call the catalog and write responses.

use axum::extract::FromRef;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{catalog::Catalog, domain::Error, http::request_body::BodyLimits};

mod changes;
mod collection;
mod filter_query;
mod idempotency;
mod item;
mod list;
mod list_query;
mod openapi;
mod path;
mod preconditions;
pub mod prefer;
mod response;
mod response_format;
mod stock;
mod upload;

pub(crate) use collection::create;
pub(crate) use item::get_by_id;
pub(crate) use list::list;

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
        .routes(routes!(stock::adjust_stock))
}

/// Returns the parsed object, or a validation error for `None`, which stands for any other JSON value.
fn require_object<T>(object: Option<T>) -> Result<T, Error> {
    object.ok_or_else(Error::not_an_object)
}
