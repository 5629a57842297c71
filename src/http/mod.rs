//! HTTP features that REST and GraphQL share: problems, request bodies, media types and the host.

pub mod content_negotiation;
pub mod host;
pub mod media_type;
pub mod problem;
pub mod problem_code;
pub mod request_body;
