//! Answers that hold products.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    catalog::Product,
    formats::{Format, Writer, json},
};

/// One product, its version as a strong entity tag (RFC 9110 section 8.8.3).
pub fn one(status: StatusCode, product: &Product) -> Response {
    let mut body = Vec::with_capacity(json::PRODUCT_BYTES);
    json::write(&mut body, product);
    let tag = format!("\"{}\"", product.version);
    let kind = Format::Json.media_type();
    (status, [(header::CONTENT_TYPE, kind), (header::ETAG, &tag)], Body::from(body)).into_response()
}

/// One product that is new.
pub fn created(product: &Product) -> Response {
    let mut response = one(StatusCode::CREATED, product);
    if let Ok(location) = HeaderValue::try_from(format!("/products/{}", product.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Products.
pub fn many(status: StatusCode, format: Format, products: &[Product]) -> Response {
    let mut body = Vec::new();
    let mut writer = Writer::begin(format, &mut body);
    writer.write(&mut body, products);
    writer.end(&mut body);
    (status, [(header::CONTENT_TYPE, format.media_type())], Body::from(body)).into_response()
}

/// How many products something was done to.
pub fn count(status: StatusCode, what: &str, count: u64) -> Response {
    let kind = [(header::CONTENT_TYPE, Format::Json.media_type())];
    (status, kind, format!("{{\"{what}\":{count}}}")).into_response()
}
