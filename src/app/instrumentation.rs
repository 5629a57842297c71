//! Hands what the rooms tell to the meters, so that neither has to know the other.

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::Meter;
use tokio::time::{Interval, MissedTickBehavior};

use crate::{
    catalog::Catalog,
    database::{self, Database, Outcome},
    graphql,
    telemetry::{
        catalog::CatalogMetrics,
        database::{DatabaseMetrics, PoolStatus, availability_gauge, register_pool_gauges},
        graphql::GraphqlMetrics,
    },
};

impl database::StatementObserver for DatabaseMetrics {
    fn connection_acquired(&self, time: Duration) {
        self.connection_acquired(time);
    }

    fn statement_finished(&self, operation: &'static str, time: Duration, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::UniqueViolation => "unique_violation",
            Outcome::Error => "error",
        };
        self.statement_finished(operation, time, outcome);
    }
}

impl graphql::OperationObserver for GraphqlMetrics {
    fn ended(&self, kind: &'static str, name: Option<&str>, outcome: &'static str, time: Option<Duration>) {
        self.record_operation(kind, name, outcome, time);
    }

    fn failed(&self, code: &'static str) {
        self.record_error(code);
    }
}

/// What is told of the database's statements.
pub fn statement_observer(meter: &Meter) -> Arc<dyn database::StatementObserver> {
    Arc::new(DatabaseMetrics::new(meter))
}

/// What is told of GraphQL's operations.
pub fn operation_observer(meter: &Meter, names: &[String]) -> Arc<dyn graphql::OperationObserver> {
    Arc::new(GraphqlMetrics::new(meter, names, graphql::codes()))
}

/// Shows the database's connections.
pub fn observe_pool(meter: &Meter, database: Database) {
    register_pool_gauges(meter, move || {
        let database::PoolStatus { used, idle, max, pending } = database.pool_status();
        PoolStatus { used, idle, max, pending }
    });
}

/// Shows whether the database answers, and what is in the catalog. The catalog is counted `every` so often, because that
/// looks at all of it; the rest at each collection of the other gauges.
pub fn spawn_catalog_metrics(
    meter: &Meter,
    database: Database,
    catalog: Catalog,
    every: Duration,
    collection: Duration,
) {
    let subscribers = catalog.clone();
    let metrics = CatalogMetrics::new(meter, move || subscribers.subscriber_count());
    let (totals, of_totals) = (catalog.clone(), metrics.clone());
    let mut clock = interval(every);
    tokio::spawn(async move {
        loop {
            clock.tick().await;
            // A failure has been logged, and the last values stand.
            if let Ok((products, stock)) = totals.totals().await {
                of_totals.record(products, stock);
            }
        }
    });
    let (up, mut clock) = (availability_gauge(meter), interval(collection));
    tokio::spawn(async move {
        loop {
            clock.tick().await;
            let answers = database.is_reachable().await;
            up.record(u64::from(answers), &[]);
            if answers && let Ok(delay) = catalog.change_lag().await {
                metrics.record_change_lag(delay);
            }
        }
    });
}

/// Now, and then again and again.
pub fn interval(every: Duration) -> Interval {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}
