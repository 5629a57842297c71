//! The shape of the rows: the entities, and the value types of a product.
//!
//! A value type can only be made from text or a number that obeys its rule, so whoever holds one need
//! not check again. No I/O, and no rule about more than one value.

pub mod idempotency_key;
mod number;
pub mod product;
pub mod product_change;
mod value;

pub use number::DecimalText;
pub use value::{Amount, InvalidValue, Name, Price, ProductId, Version, parse_integer};
