//! Schemas of request and response bodies.

#![expect(dead_code, reason = "only the schemas are used")]

use serde::Serialize;
use utoipa::ToSchema;

/// A product of the inventory.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": 1, "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct Product {
    /// Id, chosen by the client or generated
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// Name
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Price per unit, exact to four decimals
    #[schema(minimum = 0, maximum = 9_999_999_999.999_9)]
    price: f64,
    /// Units in stock
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    amount: i32,
}

/// All fields of a product except its id.
#[derive(ToSchema)]
#[schema(example = json!({ "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct Replacement {
    /// Name without control characters; surrounding white space is removed
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[\x21-\x7E]([\x20-\x7E\xA0-\uD7FF]*[\x21-\x7E])?$"
    )]
    name: String,
    /// Price per unit, with at most four decimals
    #[schema(minimum = 0, maximum = 9_999_999_999.999_9, multiple_of = 0.0001)]
    price: f64,
    /// Units in stock
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    amount: i32,
}

/// The id of a product, and new values for all its other fields.
#[derive(ToSchema)]
#[schema(example = json!({ "id": 1, "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct ReplacementWithId {
    /// Id of the product to replace
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    #[serde(flatten)]
    product: Replacement,
}

/// A product to create.
#[derive(ToSchema)]
#[schema(example = json!({ "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct NewProduct {
    /// Id; generated if omitted
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: Option<i64>,
    #[serde(flatten)]
    product: Replacement,
}

/// Fields to change (JSON Merge Patch, RFC 7396). Omitted fields keep their values.
#[derive(ToSchema)]
#[schema(example = json!({ "price": 899.5 }))]
pub struct ProductPatch {
    /// Name without control characters; surrounding white space is removed
    #[schema(
        min_length = 1,
        max_length = 255,
        nullable = false,
        pattern = r"^[\x21-\x7E]([\x20-\x7E\xA0-\uD7FF]*[\x21-\x7E])?$"
    )]
    name: Option<String>,
    /// Price per unit, with at most four decimals
    #[schema(minimum = 0, maximum = 9_999_999_999.999_9, multiple_of = 0.0001, nullable = false)]
    price: Option<f64>,
    /// Units in stock
    #[schema(minimum = 0, maximum = 2_147_483_647, nullable = false)]
    amount: Option<i32>,
}

/// One product or several; either all are created or none.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One product
    One(T),
    /// Several products
    Many(Vec<T>),
}

/// The stored products, or their number after a file upload.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Stored {
    /// One product
    One(Product),
    /// The products of an array, in the order sent
    Many(Vec<Product>),
    /// Result of a file upload
    File(Imported),
}

/// Result of a file upload.
#[derive(Serialize, ToSchema)]
pub struct Imported {
    /// Number of products stored
    products: u64,
}

/// Result of a deletion.
#[derive(ToSchema)]
pub struct Deleted {
    /// Number of products deleted
    deleted: u64,
}

/// A relative change of the amount in stock.
#[derive(ToSchema)]
#[schema(as = Movement, example = json!({ "delta": -3 }))]
pub struct StockAdjustmentDraft {
    /// Units to add; a negative number removes units
    #[schema(minimum = -2_147_483_647, maximum = 2_147_483_647)]
    delta: i32,
}

/// An error response (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// Problem type, a URN
    #[schema(rename = "type", example = "urn:stockmeter:problem:invalid")]
    kind: String,
    /// Short title of the problem type
    title: String,
    /// HTTP status of the response
    status: u16,
    /// Explanation of this occurrence
    detail: String,
    /// Stable error code for programs
    #[schema(example = "INVALID")]
    code: String,
    /// Invalid fields
    errors: Option<Vec<FieldError>>,
    /// Request id, as in `X-Request-Id`
    request_id: String,
}

/// An invalid field.
#[derive(ToSchema)]
pub struct FieldError {
    /// JSON Pointer to the field in the body (RFC 6901)
    #[schema(example = "/0/price")]
    pointer: String,
    /// Line number in an uploaded file
    line: Option<u64>,
    /// Description of the error
    detail: String,
}
