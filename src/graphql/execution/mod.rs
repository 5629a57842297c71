//! How operations are checked and executed.

pub mod cached_validation;
pub mod cost;
pub mod document_cache;
pub mod field_order;
pub mod nesting_depth;
pub mod prebuilt_json;
pub mod prepared_operation;
pub mod product_lookup;
pub mod service;
pub mod spans;
