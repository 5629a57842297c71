//! Logs failed responses.

use std::time::Duration;

use axum::http::StatusCode;
use tracing::error;

/// Logs a response with status 5xx whose headers are ready. The line has the error code.
pub fn log(status: StatusCode, time: Duration) {
    if status.is_server_error() {
        error!(status = status.as_u16(), ?time, "response failed");
    }
}
