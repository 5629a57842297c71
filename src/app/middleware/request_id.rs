//! The id of a request, in its headers and those of its response.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::InvalidHeaderValue};
use uuid::Uuid;

use crate::request_context::RequestId;

/// Names a request in every response, problem and log line.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Returns the id as a header value.
///
/// # Errors
/// The id has characters that no header may have.
pub fn header(id: &RequestId) -> Result<HeaderValue, InvalidHeaderValue> {
    match id {
        RequestId::Client(id) => HeaderValue::from_str(id),
        RequestId::Generated(id) => {
            HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        }
    }
}

/// Who sends no id gets one. It goes into every line and answer: a client's own has to be short and printable.
pub fn identify(headers: &HeaderMap) -> RequestId {
    let is_useful =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let sent = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_useful);
    sent.map_or_else(|| RequestId::Generated(Uuid::new_v4()), |id| RequestId::Client(id.into()))
}
