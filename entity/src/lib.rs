//! The database rows: SeaORM entities and the value types of a product.
//!
//! A value type can only be created from valid input, so its users need not check it again. This crate does
//! no I/O and has no rules that involve more than one value.

pub mod idempotency_key;
mod number;
pub mod product;
pub mod product_change;
mod value;

pub use number::DecimalText;
pub use value::{Amount, InvalidValue, Name, Price, ProductId, Version, parse_integer};
