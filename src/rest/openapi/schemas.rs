//! Schemas of request and response bodies.

#![expect(dead_code, reason = "only the schemas are used")]

use utoipa::ToSchema;

use super::fields::{amount, id, name, optional_id, price};

/// A product of the inventory.
#[derive(ToSchema)]
#[schema(example = json!({ "id": 1, "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct Product {
    #[schema(schema_with = id)]
    id: i64,
    #[schema(schema_with = name)]
    name: String,
    #[schema(schema_with = price)]
    price: f64,
    #[schema(schema_with = amount)]
    amount: i32,
}

/// A product to create, or new values for all fields of a product.
#[derive(ToSchema)]
#[schema(example = json!({ "name": "Laptop", "price": 999.99, "amount": 10 }))]
pub struct ProductInput {
    #[schema(schema_with = optional_id)]
    id: Option<i64>,
    #[schema(schema_with = name)]
    name: String,
    #[schema(schema_with = price)]
    price: f64,
    #[schema(schema_with = amount)]
    amount: i32,
}

/// Fields to change (JSON Merge Patch, RFC 7396). Omitted fields keep their values.
#[derive(ToSchema)]
#[schema(example = json!({ "price": 899.5 }))]
pub struct ProductPatch {
    #[schema(schema_with = name)]
    name: Option<String>,
    #[schema(schema_with = price)]
    price: Option<f64>,
    #[schema(schema_with = amount)]
    amount: Option<i32>,
}

/// One product or several; either all are created or none.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One product
    One(ProductInput),
    /// Several products
    Many(Vec<ProductInput>),
}

/// The stored products, or their number after a file upload.
#[derive(ToSchema)]
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
#[derive(ToSchema)]
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
#[schema(as = StockAdjustment, example = json!({ "delta": 5 }))]
pub struct StockAdjustmentDraft {
    /// Units to add; a negative number removes units
    #[schema(minimum = -2_147_483_647, maximum = 2_147_483_647)]
    delta: i32,
}
