//! The database as its clients see it: statements, and connections to be had.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Histogram, Meter},
};

use super::{gauge, names};
use crate::request_context;

/// The state of a pool of connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStatus {
    /// Connections at work.
    pub used: u64,
    /// Connections that are open and have nothing to do.
    pub idle: u64,
    /// Most connections.
    pub max: u64,
    /// Statements that wait for one.
    pub pending: u64,
}

/// The instruments of the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    operation: Histogram<f64>,
    wait: Histogram<f64>,
}

impl DatabaseMetrics {
    /// Instruments.
    pub fn new(meter: &Meter) -> Self {
        let histogram = |name, description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(names::FINE_BUCKETS.to_vec()).build()
        };
        Self {
            operation: histogram(names::DB_OPERATION_DURATION, "Time that statements took"),
            wait: histogram(names::DB_CONNECTION_WAIT, "Time that statements waited for a connection"),
        }
    }

    /// A statement has ended.
    pub fn statement_finished(&self, operation: &'static str, time: Duration, outcome: &'static str) {
        let labels = [KeyValue::new(names::DB_OPERATION, operation), KeyValue::new(names::OUTCOME, outcome)];
        self.operation.record(time.as_secs_f64(), &labels);
        request_context::record_statement(time);
    }

    /// A statement has got its connection.
    pub fn connection_acquired(&self, time: Duration) {
        self.wait.record(time.as_secs_f64(), &[]);
        request_context::record_acquire_wait(time);
    }
}

/// Whether the database answers: a gauge, refreshed in the background.
pub fn up(meter: &Meter) -> Gauge<u64> {
    gauge(meter, names::DATABASE_UP, "", "1 while the database answers, else 0")
}

/// Shows a pool's state at each scrape.
pub fn watch_pool(meter: &Meter, state: impl Fn() -> PoolStatus + Clone + Send + Sync + 'static) {
    let count = state.clone();
    meter
        .u64_observable_gauge(names::DB_CONNECTIONS)
        .with_description("Connections to the database")
        .with_callback(move |observer| {
            let PoolStatus { used, idle, .. } = count();
            observer.observe(used, &[KeyValue::new(names::STATE, "used")]);
            observer.observe(idle, &[KeyValue::new(names::STATE, "idle")]);
        })
        .build();
    let max = state.clone();
    meter
        .u64_observable_gauge(names::DB_CONNECTION_MAX)
        .with_description("Most connections to the database")
        .with_callback(move |observer| observer.observe(max().max, &[]))
        .build();
    meter
        .u64_observable_gauge(names::DB_CONNECTION_PENDING)
        .with_description("Statements that wait for a connection")
        .with_callback(move |observer| observer.observe(state().pending, &[]))
        .build();
}
