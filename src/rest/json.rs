//! Products as JSON, written straight into the answer's bytes: no floating point, no tree on the way.

use std::io::Write;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::catalog::Product;

/// The media type.
pub const JSON: &str = "application/json";

/// About what one product takes.
const PRODUCT_BYTES: usize = 96;

/// Appends a product.
pub fn write_product(out: &mut Vec<u8>, product: &Product) {
    let Product { id, name, price, amount, version: _ } = product;
    // Writing to a Vec can't fail.
    let _ = write!(out, r#"{{"id":{id},"name":"#);
    let _ = serde_json::to_writer(&mut *out, name.as_str());
    let _ = write!(out, r#","price":{price},"amount":{}}}"#, amount.get());
}

/// Appends products with commas between them.
pub fn write_products(out: &mut Vec<u8>, products: &[Product]) {
    out.reserve(products.len() * PRODUCT_BYTES);
    for (place, product) in products.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_product(out, product);
    }
}

/// An answer of one product, its version as a strong entity tag (RFC 9110 section 8.8.3).
pub fn one(status: StatusCode, product: &Product) -> Response {
    let mut body = Vec::with_capacity(PRODUCT_BYTES);
    write_product(&mut body, product);
    let tag = format!("\"{}\"", product.version);
    (status, [(header::CONTENT_TYPE, JSON), (header::ETAG, &tag)], Body::from(body)).into_response()
}

/// An answer of an array of products.
pub fn many(status: StatusCode, products: &[Product]) -> Response {
    let mut body = vec![b'['];
    write_products(&mut body, products);
    body.push(b']');
    (status, [(header::CONTENT_TYPE, JSON)], Body::from(body)).into_response()
}
