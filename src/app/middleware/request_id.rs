//! The id of a request: in the response, in problems, log lines and traces.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::request_context::RequestId;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes the client's id if it has 1 to 128 visible ASCII characters, otherwise generates one.
pub fn from_headers(headers: &HeaderMap) -> RequestId {
    let is_valid =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let sent = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_valid);
    sent.map_or_else(|| RequestId::Generated(Uuid::new_v4()), |id| RequestId::Client(id.into()))
}

/// Sets the id in the headers of a response.
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
