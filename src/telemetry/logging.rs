//! Metric of dropped log lines.

use opentelemetry::metrics::Meter;

use super::names;

/// Registers the counter of dropped log lines. `dropped` is called at each scrape.
pub fn register_dropped_lines(meter: &Meter, dropped: fn() -> u64) {
    meter
        .u64_observable_counter(names::LOG_LINES_DROPPED)
        .with_description("Log lines dropped because standard error was not read")
        .with_callback(move |observer| observer.observe(dropped(), &[]))
        .build();
}
