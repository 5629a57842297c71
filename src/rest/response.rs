//! Responses with products.

use std::fmt::Write;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    domain::{Product, Version},
    formats::{self, Format, json},
};

/// Number of headers that middleware and hyper add to each response: `Server-Timing`, `Cache-Control`,
/// `X-Request-Id` and `Content-Length`.
const COMMON_HEADERS: usize = 4;

/// Returns a response with one product. Its version is the strong entity tag (RFC 9110 section 8.8.3).
pub fn product(status: StatusCode, product: &Product) -> Response {
    with_header_capacity(2, status, product)
}

/// Returns a response with one product, and reserves capacity for `headers` headers and the common ones.
fn with_header_capacity(headers: usize, status: StatusCode, product: &Product) -> Response {
    let mut body = Vec::with_capacity(json::PRODUCT_BYTES);
    json::write_product(&mut body, product);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(headers + COMMON_HEADERS);
    let media_type = HeaderValue::from_static(Format::Json.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    if let Some(tag) = entity_tag(product.version) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn entity_tag(version: Version) -> Option<HeaderValue> {
    let mut tag = String::with_capacity(18);
    // Writing to a `String` cannot fail.
    let _ = write!(tag, "\"{version}\"");
    HeaderValue::try_from(tag).ok()
}

/// Returns a 201 response with the created product and its `Location`.
pub fn created(product: &Product) -> Response {
    let mut response = with_header_capacity(3, StatusCode::CREATED, product);
    if let Ok(location) = HeaderValue::try_from(format!("/products/{}", product.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Returns a response with a list of products.
pub fn products(status: StatusCode, format: Format, products: &[Product]) -> Response {
    let mut body = Vec::new();
    let mut writer = formats::Writer::new(format, &mut body);
    writer.write(&mut body, products);
    writer.end(&mut body);
    (status, [(header::CONTENT_TYPE, format.media_type())], Body::from(body)).into_response()
}

/// Returns a response with a JSON object whose field `name` is the number of affected products.
pub fn count(status: StatusCode, name: &str, count: u64) -> Response {
    let headers = [(header::CONTENT_TYPE, Format::Json.media_type())];
    (status, headers, format!("{{\"{name}\":{count}}}")).into_response()
}
