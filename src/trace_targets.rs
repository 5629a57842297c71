//! What the spans of a trace have in common, whoever makes them.

use std::sync::atomic::{AtomicBool, Ordering};

/// The target of the spans that make a trace. They are not for the log, and cost nothing where no collector is.
pub const OTEL_TARGET: &str = "otel";

/// The target of the spans of requests, which are for the log as well.
pub const REQUEST_TARGET: &str = "stockmeter::request";

/// Not asked by `tracing::enabled!`: that makes filters of several layers lose the next event.
static EXPORT_ENABLED: AtomicBool = AtomicBool::new(false);

/// Whether the spans of the target [`OTEL_TARGET`] go anywhere.
pub fn export_enabled() -> bool {
    EXPORT_ENABLED.load(Ordering::Relaxed)
}

/// Says whether they do; once, before the first of them.
pub fn set_export_enabled(enabled: bool) {
    EXPORT_ENABLED.store(enabled, Ordering::Relaxed);
}
