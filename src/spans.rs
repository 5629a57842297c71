//! What the spans of a trace have in common, whoever makes them.

use std::sync::atomic::{AtomicBool, Ordering};

/// The target of the spans that make a trace. They are not for the log, and cost nothing where no collector is.
pub const SPANS: &str = "otel";

/// The target of the spans of requests, which are for the log as well.
pub const REQUESTS: &str = "stockmeter::request";

/// Not asked by `tracing::enabled!`: that makes filters of several layers lose the next event.
static TRACED: AtomicBool = AtomicBool::new(false);

/// Whether the spans of the target [`SPANS`] go anywhere.
pub fn is_traced() -> bool {
    TRACED.load(Ordering::Relaxed)
}

/// Says whether they do; once, before the first of them.
pub fn trace(traced: bool) {
    TRACED.store(traced, Ordering::Relaxed);
}
