//! HTTP in, HTTP out. No rules: those are the catalog's.

use axum::{
    Router,
    routing::{get, post},
};

use crate::catalog::Catalog;

mod conditions;
mod draft;
mod json;
mod list;
mod path;
mod products;
mod query;

/// The routes with their methods and usual statuses.
pub const ROUTES: &[(&str, &str, &[u16])] = &[
    ("GET", "/products", &[200, 400, 422, 500, 503]),
    ("POST", "/products", &[201, 400, 409, 413, 415, 422, 500, 503]),
    ("GET", "/products/{product_id}", &[200, 304, 404, 422, 500, 503]),
    ("PUT", "/products/{product_id}", &[200, 201, 400, 404, 412, 413, 415, 422, 500, 503]),
    ("PATCH", "/products/{product_id}", &[200, 400, 404, 412, 413, 415, 422, 500, 503]),
    ("DELETE", "/products/{product_id}", &[204, 404, 412, 422, 500, 503]),
    ("POST", "/products/{product_id}/stock", &[200, 400, 404, 409, 412, 413, 415, 422, 500, 503]),
];

/// The routes under `/products`.
pub fn router(catalog: Catalog) -> Router {
    Router::new()
        .route("/products", get(list::list).post(products::create))
        .route(
            "/products/{product_id}",
            get(products::get).put(products::replace).patch(products::change).delete(products::delete),
        )
        .route("/products/{product_id}/stock", post(products::move_stock))
        .with_state(catalog)
}
