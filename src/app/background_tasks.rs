//! Tasks that run until the process ends. If a step of a task fails, the task continues and tries again.

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::Meter;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::warn;

use crate::{
    access::Access,
    catalog::Catalog,
    config::Config,
    logging,
    store::{ReplicationLag, Store},
    telemetry::{
        Telemetry,
        catalog::CatalogMetrics,
        database::{AvailabilityGauges, ReplicaLagGauges},
    },
};

/// Maximum interval at which expired rows are deleted.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);

/// Interval of the attempts to write while writes fail.
const WRITE_ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);

/// Starts all background tasks.
pub fn spawn(telemetry: &Telemetry, store: &Arc<dyn Store>, catalog: &Catalog, config: &Config) {
    if let Err(error) = telemetry.spawn_system_metrics(config.metrics_collection_interval) {
        warn!(%error, "no system metrics");
    }
    spawn_change_feed(catalog.clone());
    spawn_cleanup(catalog.clone(), config);
    spawn_write_attempts(store.clone());
    spawn_replica_watch(store.clone());
    spawn_log_reports();
    spawn_catalog_metrics(&telemetry.meter(), store.clone(), catalog.clone(), config);
}

/// Starts the task that keeps the tokens current.
pub fn spawn_access(access: Access) {
    tokio::spawn(async move { access.run().await });
}

/// Starts the task that publishes changes to subscribers.
fn spawn_change_feed(catalog: Catalog) {
    tokio::spawn(async move { catalog.run_feed().await });
}

/// Starts the task that deletes expired idempotency keys and old changes.
fn spawn_cleanup(catalog: Catalog, config: &Config) {
    let age = config.changes_retention;
    let mut interval = interval(CLEANUP_INTERVAL.min(config.idempotency_retention).min(age));
    tokio::spawn(async move {
        loop {
            interval.tick().await;
            let _ = catalog.prune_idempotency_keys().await;
            let _ = catalog.prune_change_log(age).await;
        }
    });
}

/// Starts the task that tries to write while writes fail, so that the server notices when they work again.
fn spawn_write_attempts(store: Arc<dyn Store>) {
    tokio::spawn(async move {
        loop {
            store.write_state().failed().await;
            tokio::time::sleep(WRITE_ATTEMPT_INTERVAL).await;
            // A failure keeps the state, which has been logged.
            let _ = store.try_write().await;
        }
    });
}

/// Starts the task that checks the replica, if there is one.
fn spawn_replica_watch(store: Arc<dyn Store>) {
    tokio::spawn(async move { store.watch_replica().await });
}

/// Starts the task that reports suppressed log lines.
fn spawn_log_reports() {
    let mut interval = interval(logging::SUPPRESSION_INTERVAL);
    tokio::spawn(async move {
        loop {
            interval.tick().await;
            logging::report_suppressed_lines();
        }
    });
}

/// Starts the tasks that measure the catalog and the database. Counting reads all products, so it has a
/// separate interval.
fn spawn_catalog_metrics(meter: &Meter, store: Arc<dyn Store>, catalog: Catalog, config: &Config) {
    let subscribers = catalog.clone();
    let metrics = CatalogMetrics::new(meter, move || subscribers.subscriber_count());
    let (counted, totals) = (catalog.clone(), metrics.clone());
    let mut counting = interval(config.catalog_collection_interval);
    tokio::spawn(async move {
        loop {
            counting.tick().await;
            // If the query fails, the gauges keep their last values.
            if let Ok((products, stock)) = counted.totals().await {
                totals.record(products, stock);
            }
        }
    });
    let availability = AvailabilityGauges::new(meter);
    let replica_lag = store.has_replica().then(|| ReplicaLagGauges::new(meter));
    let mut checking = interval(config.metrics_collection_interval);
    tokio::spawn(async move {
        loop {
            checking.tick().await;
            let is_reachable = store.is_reachable().await;
            availability.record(is_reachable, store.write_state().works());
            if is_reachable && let Ok(lag) = catalog.change_lag().await {
                metrics.record_change_lag(lag);
            }
            if let Some(gauges) = &replica_lag
                && let Some(ReplicationLag { age, bytes }) = store.replication_lag().await
            {
                gauges.record(age, bytes);
            }
        }
    });
}

/// Returns an interval whose first tick is immediate. A late tick delays all later ticks.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
