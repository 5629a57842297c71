//! Preparation, limits and execution of operations.

pub mod cost;
pub mod document_cache;
pub mod exact_numbers;
pub mod field_conflicts;
pub mod field_order;
pub mod inputs;
pub mod limits;
pub mod nesting_depth;
pub mod number_literals;
pub mod object_fields;
pub mod observer;
pub mod operation_request;
pub mod prepared_operation;
pub mod product_lookup;
pub mod required_scope;
pub mod response_stream;
pub mod selected_fields;
pub mod service;
pub mod spans;
pub mod string_escapes;
pub mod validation;
