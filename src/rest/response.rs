//! Answers that hold products.

use std::fmt::Write;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    catalog::{Product, Version},
    formats::{self, Format, json},
};

/// One product, its version as a strong entity tag (RFC 9110 section 8.8.3).
pub fn one(status: StatusCode, product: &Product) -> Response {
    with_headers(2, status, product)
}

/// Those that each answer gets: Server-Timing, Cache-Control, X-Request-Id, and by the router Content-Length.
const HEADERS_OF_ALL: usize = 4;

/// With room for so many headers of its own.
fn with_headers(headers: usize, status: StatusCode, product: &Product) -> Response {
    let mut body = Vec::with_capacity(json::PRODUCT_BYTES);
    json::write_product(&mut body, product);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(headers + HEADERS_OF_ALL);
    let kind = HeaderValue::from_static(Format::Json.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(tag) = entity_tag(product.version) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn entity_tag(version: Version) -> Option<HeaderValue> {
    let mut tag = String::with_capacity(18);
    // Writing to a String can't fail.
    let _ = write!(tag, "\"{version}\"");
    HeaderValue::try_from(tag).ok()
}

/// One product that is new.
pub fn created(product: &Product) -> Response {
    let mut response = with_headers(3, StatusCode::CREATED, product);
    if let Ok(location) = HeaderValue::try_from(format!("/products/{}", product.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Products.
pub fn many(status: StatusCode, format: Format, products: &[Product]) -> Response {
    let mut body = Vec::new();
    let mut writer = formats::Writer::new(format, &mut body);
    writer.write(&mut body, products);
    writer.end(&mut body);
    (status, [(header::CONTENT_TYPE, format.media_type())], Body::from(body)).into_response()
}

/// How many products something was done to.
pub fn count(status: StatusCode, what: &str, count: u64) -> Response {
    let kind = [(header::CONTENT_TYPE, Format::Json.media_type())];
    (status, kind, format!("{{\"{what}\":{count}}}")).into_response()
}
