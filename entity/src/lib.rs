//! The shape of a row: the product entity and its value types.
//!
//! A value type can only be made from text or a number that obeys its rule, so whoever holds one need
//! not check again. No I/O, and no rule about more than one value.

mod decimal;
pub mod product;
mod value;

pub use value::{Amount, InvalidValue, Name, Price, ProductId, Version, whole};
