//! Schemas of the events of `GET /products/changes`.

#![expect(dead_code, reason = "only the schemas are used")]

use utoipa::ToSchema;

use super::Product;
use crate::http::problem_code::ProblemCode;

/// The `data` of one server-sent event. Its `event` says which of these it is.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum ChangeEvent {
    /// Events `created`, `updated`, `stock_moved` and `deleted`
    Change(ProductChange),
    /// Event `resync`
    Resync(Resync),
    /// Event `error`
    Error(StreamError),
}

/// A change of a product.
#[derive(ToSchema)]
#[schema(example = json!({
    "id": 1,
    "version": "1c0f3b5e7a9d2468",
    "at": "2026-11-25T09:30:00Z",
    "product": { "id": 1, "name": "Laptop", "price": 999.99, "amount": 7 },
}))]
pub struct ProductChange {
    /// Id of the product
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// Version after the change, or the last version of a deleted product
    #[schema(pattern = "^[0-9a-f]{16}$")]
    version: String,
    /// Time of the change
    #[schema(format = DateTime)]
    at: String,
    /// Current product; absent if it no longer exists
    #[schema(nullable = false)]
    product: Option<Product>,
}

/// Changes may have been missed: read the products again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resync {}

/// The reason why the server closes the stream.
#[derive(ToSchema)]
#[schema(example = json!({
    "code": "TOO_SLOW",
    "detail": "the subscriber is too slow: resubscribe after the last change received",
}))]
pub struct StreamError {
    code: ProblemCode,
    /// Explanation of this occurrence
    detail: String,
}
