//! One log line for each response.

use std::time::Duration;

use axum::http::StatusCode;
use tracing::{debug, error};

/// Logs a response when its headers are ready: failures of the server as errors, all others for debugging.
pub fn log(status: StatusCode, time: Duration) {
    if status.is_server_error() {
        error!(status = status.as_u16(), ?time, "response failed");
    } else {
        debug!(status = status.as_u16(), ?time, "response ready");
    }
}
