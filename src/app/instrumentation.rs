//! Connects what the store and GraphQL report with the instruments, so that neither knows the other.

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::Meter;

use crate::{
    database::{Database, Outcome, PoolStatus as Status, StatementObserver},
    graphql::{self, OperationObserver},
    telemetry::{
        database::{DatabaseMetrics, PoolStatus, register_pool_gauges},
        graphql::GraphqlMetrics,
    },
};

struct StatementMetrics(DatabaseMetrics);

impl StatementObserver for StatementMetrics {
    fn connection_acquired(&self, time: Duration) {
        self.0.connection_acquired(time);
    }

    fn statement_finished(&self, operation: &'static str, time: Duration, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::UniqueViolation => "unique_violation",
            Outcome::Error => "error",
        };
        self.0.statement_finished(operation, time, outcome);
    }
}

struct OperationMetrics(GraphqlMetrics);

impl OperationObserver for OperationMetrics {
    fn ended(&self, kind: &'static str, name: Option<&str>, outcome: &'static str, time: Option<Duration>) {
        self.0.record_operation(kind, name, outcome, time);
    }

    fn failed(&self, code: &'static str) {
        self.0.record_error(code);
    }
}

/// Returns the observer that measures statements.
pub fn statement_observer(meter: &Meter) -> Arc<dyn StatementObserver> {
    Arc::new(StatementMetrics(DatabaseMetrics::new(meter)))
}

/// Returns the observer that measures GraphQL operations; `names` are the operation names with series of their own.
pub fn operation_observer(meter: &Meter, names: &[String]) -> Arc<dyn OperationObserver> {
    Arc::new(OperationMetrics(GraphqlMetrics::new(meter, names, graphql::codes())))
}

/// Measures the connection pool at each collection.
pub fn observe_pool(meter: &Meter, database: Database) {
    register_pool_gauges(meter, move || {
        let Status { used, idle, max, pending } = database.pool_status();
        PoolStatus { used, idle, max, pending }
    });
}
