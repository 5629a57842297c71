//! Target of tracing spans, and whether spans are exported.

use std::sync::atomic::{AtomicBool, Ordering};

/// Target of all spans. They are only exported, never logged, and cost nothing without a collector.
pub const OTEL_TARGET: &str = "otel";

/// Flag that replaces `tracing::enabled!`, because that macro makes per-layer filters lose the next event.
static EXPORT_ENABLED: AtomicBool = AtomicBool::new(false);

/// Returns whether spans are exported to a collector.
pub fn export_enabled() -> bool {
    EXPORT_ENABLED.load(Ordering::Relaxed)
}

/// Sets whether spans are exported. Must be called before the first span is created.
pub fn set_export_enabled(enabled: bool) {
    EXPORT_ENABLED.store(enabled, Ordering::Relaxed);
}
