//! HTTP features that REST and GraphQL share: problems, request bodies, unsent responses, limits, media types, hosts,
//! upgrades, query strings and idempotency keys.

pub mod allowed_hosts;
pub mod bearer_token;
pub mod body_text;
pub mod client_address;
pub mod content_negotiation;
pub mod host;
pub mod idempotency;
pub mod limits;
pub mod media_type;
pub mod page;
pub mod problem;
pub mod problem_code;
pub mod problem_response;
pub mod query_string;
pub mod read_after;
pub mod request_body;
pub mod stored_response;
pub mod transfer_coding;
pub mod unsent_response;
pub mod upgrade;
