//! Passes the reports of the database and of GraphQL to the metric instruments. Neither side depends on the
//! other.

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::Meter;

use crate::{
    graphql::{self, GraphqlErrorCode, OperationKind, OperationObserver},
    http::limits::{Limit, Party},
    logging,
    store::{Outcome, PoolStatus, ReplicaStatus, StatementObserver, Store},
    telemetry::{
        database::{DatabaseMetrics, register_pool_gauges, register_replica_metrics},
        graphql::{GraphqlMetrics, OperationType, Outcome as OutcomeLabel},
        limits::{Rejections, register_rejections},
        logging::register_line_counters,
    },
};

struct StatementMetrics(DatabaseMetrics);

impl StatementObserver for StatementMetrics {
    fn connection_acquired(&self, time: Duration) {
        self.0.connection_acquired(time);
    }

    fn statement_finished(&self, operation: &'static str, time: Duration, outcome: Outcome) {
        self.0.statement_finished(operation, time, outcome.as_str());
    }
}

struct OperationMetrics(GraphqlMetrics);

impl OperationObserver for OperationMetrics {
    fn ended(
        &self,
        kind: OperationKind,
        name: Option<&str>,
        outcome: graphql::Outcome,
        time: Option<Duration>,
    ) {
        let operation_type = match kind {
            OperationKind::Query => OperationType::Query,
            OperationKind::Mutation => OperationType::Mutation,
            OperationKind::Subscription => OperationType::Subscription,
            OperationKind::Unknown => OperationType::Unknown,
        };
        let outcome = match outcome {
            graphql::Outcome::Ok => OutcomeLabel::Ok,
            graphql::Outcome::Error => OutcomeLabel::Error,
            graphql::Outcome::Rejected => OutcomeLabel::Rejected,
        };
        self.0.record_operation(operation_type, name, outcome, time);
    }

    fn failed(&self, code: GraphqlErrorCode) {
        self.0.record_error(code.name());
    }
}

/// Returns the observer that measures statements.
pub fn statement_observer(meter: &Meter) -> Arc<dyn StatementObserver> {
    Arc::new(StatementMetrics(DatabaseMetrics::new(meter)))
}

/// Returns the observer that measures GraphQL operations. `names` are the operation names that have separate
/// series.
pub fn operation_observer(meter: &Meter, names: &[String]) -> Arc<dyn OperationObserver> {
    Arc::new(OperationMetrics(GraphqlMetrics::new(meter, names, graphql::codes())))
}

/// Registers the counters of log lines that were not written.
pub fn observe_log(meter: &Meter) {
    register_line_counters(meter, logging::dropped_lines, logging::suppressed_lines);
}

/// Registers the counter of rejections by limits.
pub fn observe_limits(meter: &Meter) {
    let parties = |limit| Party::ALL.map(|party| (limit, party));
    register_rejections(meter, move || {
        let limits = Limit::ALL.into_iter().flat_map(parties);
        let rejections = |(limit, party): (Limit, Party)| Rejections {
            limit: limit.label(),
            party: party.label(),
            count: limit.rejections(party),
        };
        limits.map(rejections).collect()
    });
}

/// Registers the gauges of the connection pool, which is measured at each scrape.
pub fn observe_pool(meter: &Meter, store: Arc<dyn Store>) {
    register_pool_gauges(meter, move || {
        let PoolStatus { used, idle, max, pending } = store.pool_status();
        [used, idle, max, pending]
    });
}

/// Registers the metrics of the replica, if there is one.
pub fn observe_replica(meter: &Meter, store: Arc<dyn Store>) {
    if store.has_replica() {
        register_replica_metrics(meter, move || {
            store.replica_status().map_or((false, 0, 0), |status| {
                let ReplicaStatus { is_available, replica_reads, primary_reads } = status;
                (is_available, primary_reads, replica_reads)
            })
        });
    }
}
