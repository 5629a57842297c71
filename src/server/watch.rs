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
        database::{DatabaseMetrics, PoolState, up, watch_pool},
        graphql::GraphqlMetrics,
    },
};

impl database::Watch for DatabaseMetrics {
    fn waited(&self, time: Duration) {
        self.waited(time);
    }

    fn ran(&self, operation: &'static str, time: Duration, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done => "ok",
            Outcome::Refused => "refused",
            Outcome::Failed => "error",
        };
        self.ran(operation, time, outcome);
    }
}

impl graphql::Watch for GraphqlMetrics {
    fn ended(&self, kind: &'static str, name: Option<&str>, outcome: &'static str, time: Option<Duration>) {
        self.ended(kind, name, outcome, time);
    }

    fn failed(&self, code: &'static str) {
        self.failed(code);
    }
}

/// What is told of the database's statements.
pub fn statements(meter: &Meter) -> Arc<dyn database::Watch> {
    Arc::new(DatabaseMetrics::new(meter))
}

/// What is told of GraphQL's operations.
pub fn operations(meter: &Meter, names: &[String]) -> Arc<dyn graphql::Watch> {
    Arc::new(GraphqlMetrics::new(meter, names, graphql::codes()))
}

/// Shows the database's connections.
pub fn connections(meter: &Meter, database: Database) {
    watch_pool(meter, move || {
        let database::PoolState { used, idle, max, pending } = database.pool();
        PoolState { used, idle, max, pending }
    });
}

/// Shows whether the database answers, and what is in the catalog. The catalog is counted `every` so often, because that
/// looks at all of it; the rest at each collection of the other gauges.
pub fn store(meter: &Meter, database: Database, catalog: Catalog, every: Duration, collection: Duration) {
    let subscribers = catalog.clone();
    let metrics = CatalogMetrics::new(meter, move || subscribers.subscribers());
    let (totals, of_totals) = (catalog.clone(), metrics.clone());
    let mut clock = ticks(every);
    tokio::spawn(async move {
        loop {
            clock.tick().await;
            // A failure has been logged, and the last values stand.
            if let Ok((products, stock)) = totals.totals().await {
                of_totals.record(products, stock);
            }
        }
    });
    let (up, mut clock) = (up(meter), ticks(collection));
    tokio::spawn(async move {
        loop {
            clock.tick().await;
            let answers = database.answers().await;
            up.record(u64::from(answers), &[]);
            if answers && let Ok(delay) = catalog.changes_delay().await {
                metrics.changes_wait(delay);
            }
        }
    });
}

/// Now, and then again and again.
pub fn ticks(every: Duration) -> Interval {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}
