//! What REST and GraphQL share of HTTP.

pub mod content_negotiation;
pub mod media_type;
pub mod problem;
pub mod request_body;
