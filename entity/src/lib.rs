//! The database rows: SeaORM entities and the value types of a product.
//!
//! A value type holds only valid values, whether they come from a client or from a row. A row with an invalid
//! value is an error. This crate does no I/O, and none of its rules involves more than one value.

pub mod api_token;
pub mod idempotency_key;
mod number;
pub mod product;
mod row_value;
mod value;

pub use number::DecimalText;
pub use value::{Amount, InvalidValue, Name, Price, ProductId, Version, parse_integer};
