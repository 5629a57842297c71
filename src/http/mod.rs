//! HTTP features that REST and GraphQL share: problems, request bodies and media types.

pub mod content_negotiation;
pub mod media_type;
pub mod problem;
pub mod problem_code;
pub mod request_body;
