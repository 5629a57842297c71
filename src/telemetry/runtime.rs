//! Metrics of the Tokio runtimes.

use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};
use tokio::runtime::{Handle, RuntimeMetrics as TokioMetrics};

use super::{gauge, names};
use crate::background_runtime;

/// Metrics of each Tokio runtime, with their labels.
type Runtimes = [([KeyValue; 1], TokioMetrics); 2];

pub struct RuntimeMetrics {
    runtimes: Runtimes,
    workers: Gauge<u64>,
    alive_tasks: Gauge<u64>,
    queue_depth: Gauge<u64>,
}

impl RuntimeMetrics {
    /// Registers the instruments. The current runtime is reported as `requests`.
    pub fn new(meter: &Meter) -> Self {
        let runtimes =
            [("requests", Handle::current().metrics()), ("background", background_runtime::metrics())]
                .map(|(name, runtime)| ([KeyValue::new(names::RUNTIME, name)], runtime));
        let observed = runtimes.clone();
        meter
            .f64_observable_counter(names::TOKIO_WORKERS_BUSY)
            .with_unit("s")
            .with_description("Busy time of the workers of a runtime, summed over all workers")
            .with_callback(move |observer| {
                for (labels, runtime) in &observed {
                    let busy =
                        (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker));
                    observer.observe(busy.map(|time| time.as_secs_f64()).sum(), labels);
                }
            })
            .build();
        let gauge = |name, unit, description| gauge(meter, name, unit, description);
        Self {
            runtimes,
            workers: gauge(names::TOKIO_WORKERS, "", "Tokio worker threads"),
            alive_tasks: gauge(names::TOKIO_ALIVE_TASKS, "", "Tokio tasks that have not completed"),
            queue_depth: gauge(names::TOKIO_GLOBAL_QUEUE_DEPTH, "", "Tasks waiting in Tokio's global queue"),
        }
    }

    /// Records the current values.
    pub fn collect(&self) {
        for (labels, runtime) in &self.runtimes {
            self.workers.record(runtime.num_workers() as u64, labels);
            self.alive_tasks.record(runtime.num_alive_tasks() as u64, labels);
            self.queue_depth.record(runtime.global_queue_depth() as u64, labels);
        }
    }
}
