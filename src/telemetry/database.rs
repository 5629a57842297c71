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

/// Gauges of the replica's delay, which the caller updates in the background.
#[derive(Clone, Debug)]
pub struct ReplicaLagGauges {
    age: Gauge<f64>,
    bytes: Gauge<u64>,
}

impl ReplicaLagGauges {
    pub fn new(meter: &Meter) -> Self {
        let age = meter.f64_gauge(names::DATABASE_REPLICA_LAG).with_unit("s");
        let age = age.with_description(
            "Age of the last transaction that the replica has replayed, 0 if it has replayed all",
        );
        let bytes = "Part of the primary's log that the replica has not replayed";
        Self { age: age.build(), bytes: gauge(meter, names::DATABASE_REPLICA_LAG_SIZE, "By", bytes) }
    }

    /// Records the age of the last replayed transaction, and the bytes that are not replayed.
    pub fn record(&self, age: Duration, bytes: u64) {
        self.age.record(age.as_secs_f64(), &[]);
        self.bytes.record(bytes, &[]);
    }
}

/// Registers the metrics of a replica. `status` is called at each scrape. It returns whether the replica is available, and
/// the numbers of reads from the primary and from the replica.
pub fn register_replica_metrics(
    meter: &Meter,
    status: impl Fn() -> (bool, u64, u64) + Clone + Send + Sync + 'static,
) {
    let reads = status.clone();
    meter
        .u64_observable_counter(names::DATABASE_READS)
        .with_description("Reads of products that could ask the replica, by the server that they asked")
        .with_callback(move |observer| {
            let (_, primary, replica) = reads();
            observer.observe(primary, &[KeyValue::new(names::ROLE, "primary")]);
            observer.observe(replica, &[KeyValue::new(names::ROLE, "replica")]);
        })
        .build();
    meter
        .u64_observable_gauge(names::DATABASE_REPLICA_UP)
        .with_description("1 if the replica is available, otherwise 0")
        .with_callback(move |observer| observer.observe(u64::from(status().0), &[]))
        .build();
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
