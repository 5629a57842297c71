//! Metrics of database statements and of the connection pool.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Histogram, Meter},
};

use super::{gauge, names};
use crate::request_context;

/// Histograms of database statements. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    statement_duration: Histogram<f64>,
    acquire_wait: Histogram<f64>,
}

impl DatabaseMetrics {
    pub fn new(meter: &Meter) -> Self {
        let histogram = |name, description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(names::FINE_BUCKETS.to_vec()).build()
        };
        Self {
            statement_duration: histogram(names::DB_OPERATION_DURATION, "Duration of database statements"),
            acquire_wait: histogram(
                names::DB_CONNECTION_WAIT,
                "Time that statements waited for a connection",
            ),
        }
    }

    /// Records a completed statement, also in the current request's usage.
    pub fn statement_finished(&self, operation: &'static str, time: Duration, outcome: &'static str) {
        let labels = [KeyValue::new(names::DB_OPERATION, operation), KeyValue::new(names::OUTCOME, outcome)];
        self.statement_duration.record(time.as_secs_f64(), &labels);
        request_context::record_statement(time);
    }

    /// Records the time that a statement waited for its connection, also in the current request's usage.
    pub fn connection_acquired(&self, time: Duration) {
        self.acquire_wait.record(time.as_secs_f64(), &[]);
        request_context::record_acquire_wait(time);
    }
}

/// Gauges of the database's availability, which the caller updates in the background.
#[derive(Clone, Debug)]
pub struct AvailabilityGauges {
    up: Gauge<u64>,
    writable: Gauge<u64>,
}

impl AvailabilityGauges {
    pub fn new(meter: &Meter) -> Self {
        let writable = "1 if the database is reachable and accepts writes, otherwise 0";
        Self {
            up: gauge(meter, names::DATABASE_UP, "", "1 if the database is reachable, otherwise 0"),
            writable: gauge(meter, names::DATABASE_WRITABLE, "", writable),
        }
    }

    /// Records whether the database is reachable, and whether it accepts writes.
    pub fn record(&self, is_reachable: bool, accepts_writes: bool) {
        self.up.record(u64::from(is_reachable), &[]);
        self.writable.record(u64::from(is_reachable && accepts_writes), &[]);
    }
}

/// Registers gauges of the connection pool. `status` is called at each scrape. It returns the numbers of used
/// connections, idle connections, allowed connections and waiting statements.
pub fn register_pool_gauges(meter: &Meter, status: impl Fn() -> [u64; 4] + Clone + Send + Sync + 'static) {
    let connections = status.clone();
    meter
        .u64_observable_gauge(names::DB_CONNECTIONS)
        .with_description("Open database connections")
        .with_callback(move |observer| {
            let [used, idle, _, _] = connections();
            observer.observe(used, &[KeyValue::new(names::STATE, "used")]);
            observer.observe(idle, &[KeyValue::new(names::STATE, "idle")]);
        })
        .build();
    let allowed = status.clone();
    meter
        .u64_observable_gauge(names::DB_CONNECTION_MAX)
        .with_description("Maximum number of database connections")
        .with_callback(move |observer| {
            let [_, _, max, _] = allowed();
            observer.observe(max, &[]);
        })
        .build();
    meter
        .u64_observable_gauge(names::DB_CONNECTION_PENDING)
        .with_description("Statements waiting for a connection")
        .with_callback(move |observer| {
            let [_, _, _, pending] = status();
            observer.observe(pending, &[]);
        })
        .build();
}
