//! Metrics of log lines that were not written.

use opentelemetry::metrics::Meter;

use super::names;

/// Registers the counters of log lines that were dropped or suppressed, which are called at each scrape.
pub fn register_line_counters(meter: &Meter, dropped: fn() -> u64, suppressed: fn() -> u64) {
    let counters = [
        (names::LOG_LINES_DROPPED, "Log lines dropped because standard error was not read", dropped),
        (
            names::LOG_LINES_SUPPRESSED,
            "Warnings and errors not logged because there were too many similar ones",
            suppressed,
        ),
    ];
    for (name, description, count) in counters {
        let counter = meter.u64_observable_counter(name).with_description(description);
        counter.with_callback(move |observer| observer.observe(count(), &[])).build();
    }
}
