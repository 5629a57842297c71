//! What the OpenAPI document says of bodies and failures. The handlers read and write them by hand, for speed and
//! exact digits, so these types exist for the document alone.

#![expect(dead_code, reason = "only their schemas are used")]

use serde::Serialize;
use utoipa::{IntoResponses, OpenApi, ToSchema};

/// The room's part of the document without its paths, which the routes bring.
#[derive(OpenApi)]
#[openapi(
    components(schemas(Product, NewProduct, Replacement, ReplacementWithId, ProductPatch, StockAdjustmentDraft, Problem, FieldError)),
    tags((name = "products", description = "The products of the inventory"))
)]
pub struct Document;

/// A product of the inventory.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": 1, "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct Product {
    /// Chosen by the client or generated
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// What it is called
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What one piece costs, exact to four decimals
    #[schema(minimum = 0, maximum = 9_999_999_999.999_9)]
    price: f64,
    /// How many pieces are in stock
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    amount: i32,
}

/// All of what a product is to be.
#[derive(ToSchema)]
#[schema(example = json!({ "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct Replacement {
    /// What it is called, without control characters; white space around it is dropped
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[\x21-\x7E]([\x20-\x7E\xA0-\uD7FF]*[\x21-\x7E])?$"
    )]
    name: String,
    /// What one piece costs: at most four decimals
    #[schema(minimum = 0, maximum = 9_999_999_999.999_9, multiple_of = 0.0001)]
    price: f64,
    /// How many pieces are in stock
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    amount: i32,
}

/// All of what the product with this id is to be.
#[derive(ToSchema)]
#[schema(example = json!({ "id": 1, "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct ReplacementWithId {
    /// Which product
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    #[serde(flatten)]
    product: Replacement,
}

/// A product to create.
#[derive(ToSchema)]
#[schema(example = json!({ "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct NewProduct {
    /// Left out: generated
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: Option<i64>,
    #[serde(flatten)]
    product: Replacement,
}

/// What to change of a product (JSON Merge Patch, RFC 7396); what is left out stays.
#[derive(ToSchema)]
#[schema(example = json!({ "price": 899.5 }))]
pub struct ProductPatch {
    /// What it is called, without control characters; white space around it is dropped
    #[schema(
        min_length = 1,
        max_length = 255,
        nullable = false,
        pattern = r"^[\x21-\x7E]([\x20-\x7E\xA0-\uD7FF]*[\x21-\x7E])?$"
    )]
    name: Option<String>,
    /// What one piece costs: at most four decimals
    #[schema(minimum = 0, maximum = 9_999_999_999.999_9, multiple_of = 0.0001, nullable = false)]
    price: Option<f64>,
    /// How many pieces are in stock
    #[schema(minimum = 0, maximum = 2_147_483_647, nullable = false)]
    amount: Option<i32>,
}

/// One product, or several to be created all or none.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One
    One(T),
    /// Several
    Many(Vec<T>),
}

/// What was stored.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Stored {
    /// One
    One(Product),
    /// Several
    Many(Vec<Product>),
    /// A file
    File(Imported),
}

/// What was stored of a file.
#[derive(Serialize, ToSchema)]
pub struct Imported {
    /// How many
    products: u64,
}

/// What was deleted.
#[derive(ToSchema)]
pub struct Deleted {
    /// How many
    deleted: u64,
}

/// A stock movement.
#[derive(ToSchema)]
#[schema(example = json!({ "delta": -3 }))]
pub struct StockAdjustmentDraft {
    /// How many pieces come; negative: go
    #[schema(minimum = -2_147_483_647, maximum = 2_147_483_647)]
    delta: i32,
}

/// What went wrong (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// The kind, as a URN
    #[schema(rename = "type", example = "urn:stockmeter:problem:invalid")]
    kind: String,
    /// The kind, for people
    title: String,
    /// The response's status
    status: u16,
    /// What happened, for people
    detail: String,
    /// The kind, for programs
    #[schema(example = "INVALID")]
    code: String,
    /// The bad fields
    errors: Option<Vec<FieldError>>,
    /// The id in `X-Request-Id`
    request_id: String,
}

/// One bad field.
#[derive(ToSchema)]
pub struct FieldError {
    /// Where it is in the body (RFC 6901)
    #[schema(example = "/0/price")]
    pointer: String,
    /// The line, of a file
    line: Option<u64>,
    /// What is wrong with it
    detail: String,
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident($status:literal, $description:literal, $kind:literal, $code:literal, $title:literal, $detail:literal);)*) => {
        $($(#[$doc])*
        #[derive(IntoResponses)]
        #[response(status = $status, description = $description, content_type = "application/problem+json", example = json!({
            "type": concat!("urn:stockmeter:problem:", $kind), "title": $title, "status": $status, "detail": $detail,
            "code": $code, "request_id": "01b2f9a8-4f0e-4c5b-9c7a-3a1f6f0f2d11",
        }))]
        pub struct $name(Problem);)*
    };
}

failures! {
    /// `MALFORMED`.
    Malformed(400, "The request can't be read", "malformed", "MALFORMED", "The request can't be read", "the body is not JSON");
    /// `NOT_FOUND`.
    NotFound(404, "No such product", "not-found", "NOT_FOUND", "Not found", "there is no product 7");
    /// `BODY_TOO_SLOW`.
    BodyTooSlow(408, "The body did not arrive in time", "body-too-slow", "BODY_TOO_SLOW", "Body too slow", "the body did not arrive in time");
    /// `DUPLICATE_ID`, `IDS_EXHAUSTED`, `IDEMPOTENCY_KEY_IN_USE`.
    OnConflict(409, "An id is taken, none is left to generate, or the request is under way", "duplicate-id", "DUPLICATE_ID", "Id taken", "id 7 is taken");
    /// `INSUFFICIENT_STOCK`, `TOO_MUCH_STOCK`, `IDEMPOTENCY_KEY_IN_USE`.
    Stock(409, "The amount would leave its range, or the request is under way", "insufficient-stock", "INSUFFICIENT_STOCK", "Not enough in stock", "not enough in stock: there are 2");
    /// `VERSION_MISMATCH`.
    VersionMismatch(412, "The product is at another version", "version-mismatch", "VERSION_MISMATCH", "Another version", "the product has changed: it is at version 1c0f3b5e7a9d2468 now");
    /// `BODY_TOO_LARGE`.
    BodyTooLarge(413, "The body is too large", "body-too-large", "BODY_TOO_LARGE", "Body too large", "the body is larger than 10485760 bytes: send it in parts");
    /// `UNSUPPORTED_MEDIA_TYPE`.
    UnsupportedMediaType(415, "The body is of another type", "unsupported-media-type", "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type", "send the body with Content-Type: application/json");
    /// `INVALID`, `IDEMPOTENCY_KEY_REUSED`.
    Invalid(422, "Values that break a rule, each named", "invalid", "INVALID", "Invalid values", "name must not be empty");
    /// `VERSION_REQUIRED`.
    VersionRequired(428, "The server wants If-Match", "version-required", "VERSION_REQUIRED", "Version required", "tell which version of the product is meant");
    /// `INTERNAL`.
    Internal(500, "An error of the server", "internal", "INTERNAL", "Internal error", "an internal error: it has been logged");
    /// `UNAVAILABLE`, `OVERLOADED`, `TIMEOUT`.
    Unavailable(503, "The database or the server is overloaded: try again after Retry-After", "unavailable", "UNAVAILABLE", "Database unavailable", "the database can't answer at the moment: try again");
}
