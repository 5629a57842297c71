//! The id of a request, which is part of its response headers, problems, log lines and traces.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::request_context::RequestId;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Returns a random id.
pub fn generate() -> RequestId {
    RequestId::Generated(Uuid::new_v4())
}

/// Returns the client's id if it has 1 to 128 visible ASCII characters, otherwise a generated id.
pub fn from_headers(headers: &HeaderMap) -> RequestId {
    let is_valid =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let sent = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_valid);
    sent.map_or_else(generate, |id| RequestId::Client(id.into()))
}

/// Sets the id in the response headers.
pub fn set(headers: &mut HeaderMap, id: &RequestId) {
    let value = match id {
        RequestId::Client(id) => HeaderValue::from_str(id),
        RequestId::Generated(id) => {
            HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        }
    };
    if let Ok(value) = value {
        headers.insert(REQUEST_ID, value);
    }
}
