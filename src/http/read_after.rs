//! `X-Read-After`: position in the log of the database. A response to a write has it; a client that sends it with later
//! reads gets products with that write, also from a replica and from another instance.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::problem::Problem;
use crate::{domain::WalPosition, request_context};

pub const READ_AFTER: HeaderName = HeaderName::from_static("x-read-after");

/// Makes reads of the current request include all writes before the position in its headers.
///
/// # Errors
/// Returns a 400 problem if the header is invalid or has several values.
pub fn record(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(READ_AFTER).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    let position = value.to_str().ok().and_then(WalPosition::parse).filter(|_| values.next().is_none());
    let rule = "X-Read-After must be one value from the X-Read-After of a response, such as 0/16B3748";
    request_context::set_read_after(position.ok_or_else(|| Problem::malformed(rule))?);
    Ok(())
}

/// Adds the position after the writes of the current request, if there were any.
pub fn add_header(headers: &mut HeaderMap) {
    let written = request_context::written();
    if let Some(value) = written.and_then(|position| HeaderValue::try_from(position.to_string()).ok()) {
        headers.insert(READ_AFTER, value);
    }
}
