//! Writes one log line for each response.

use std::time::Duration;

use axum::http::StatusCode;
use tracing::{debug, error};

/// Logs a response whose headers are ready. Status 5xx has level error, any other status has level debug.
pub fn log(status: StatusCode, time: Duration) {
    if status.is_server_error() {
        error!(status = status.as_u16(), ?time, "response failed");
    } else {
        debug!(status = status.as_u16(), ?time, "response ready");
    }
}
