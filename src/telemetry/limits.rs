//! Metric of requests and connections that a limit rejected.

use opentelemetry::{KeyValue, metrics::Meter};

use super::names;

/// Number of rejections of one limit.
pub struct Rejections {
    pub limit: &'static str,
    pub party: &'static str,
    pub count: u64,
}

/// Registers the counter of rejections, which are read at each scrape.
pub fn register_rejections(meter: &Meter, read: impl Fn() -> Vec<Rejections> + Send + Sync + 'static) {
    let description = "Requests and connections that a limit rejected";
    let counter = meter.u64_observable_counter(names::HTTP_REJECTIONS).with_description(description);
    let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        for Rejections { limit, party, count } in read() {
            let labels = [KeyValue::new(names::LIMIT, limit), KeyValue::new(names::PARTY, party)];
            observer.observe(count, &labels);
        }
    };
    counter.with_callback(observe).build();
}
