//! HTTP in, HTTP out. No rules: those are the catalog's.

use axum::{Json, Router, routing::get};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::catalog::{Catalog, Error};

mod accept;
mod answer;
mod changes;
mod conditions;
pub mod idempotency;
mod list;
mod many;
mod openapi;
mod path;
pub mod prefer;
mod products;
mod query;
mod upload;

/// The routes with their methods and usual statuses.
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
    ("GET", "/openapi.json", &[200]),
    ("GET", "/docs", &[303]),
    ("GET", "/docs/", &[200]),
    ("GET", "/docs/{*rest}", &[200, 404]),
];

fn api() -> OpenApiRouter<Catalog> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(list::list, many::create, many::replace, many::delete))
        .routes(routes!(changes::changes))
        .routes(routes!(products::get, products::replace, products::change, products::delete))
        .routes(routes!(products::move_stock))
}

/// The OpenAPI document, made of the routes.
pub fn document() -> OpenApi {
    let mut document = api().into_openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete]
            .into_iter()
            .flatten();
        let parameters = operations.flat_map(|operation| operation.parameters.iter_mut().flatten());
        parameters.for_each(openapi::may_be_left_out);
    }
    document
}

/// The routes under `/products`, and their document with a reference page.
pub fn router(catalog: Catalog) -> Router {
    let document = document();
    // The page brings its scripts with it: it works without internet.
    let page = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::new(["/openapi.json"]));
    let (products, _) = api().split_for_parts();
    products
        .with_state(catalog)
        .route("/openapi.json", get(async move || Json(document)))
        .merge(Router::from(page))
}

/// What was sent, if it is an object.
fn object<T>(sent: Option<T>) -> Result<T, Error> {
    sent.ok_or_else(Error::not_an_object)
}
