//! Preparation, limits and execution of operations.

pub mod cached_validation;
pub mod cost;
pub mod document_cache;
pub mod exact_numbers;
pub mod field_order;
pub mod limits;
pub mod nesting_depth;
pub mod number_literals;
pub mod observer;
pub mod prepared_operation;
pub mod product_lookup;
pub mod response_stream;
pub mod service;
pub mod spans;
