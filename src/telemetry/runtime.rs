//! Metrics of the allocator and of the Tokio runtimes, instead of Python's garbage collection metrics.

use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};
use tikv_jemalloc_ctl::{epoch, stats};
use tokio::runtime::{Handle, RuntimeMetrics as TokioMetrics};

use super::{gauge, names};
use crate::background_runtime;

/// Metrics of each Tokio runtime, with their labels.
type Runtimes = [([KeyValue; 1], TokioMetrics); 2];

pub struct RuntimeMetrics {
    runtimes: Runtimes,
    allocated: Gauge<u64>,
    active: Gauge<u64>,
    resident: Gauge<u64>,
    retained: Gauge<u64>,
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
            allocated: gauge(names::ALLOCATOR_ALLOCATED, "By", "Memory allocated by the program"),
            active: gauge(names::ALLOCATOR_ACTIVE, "By", "Memory in pages with live allocations"),
            resident: gauge(
                names::ALLOCATOR_RESIDENT,
                "By",
                "Physical memory held by the allocator (upper bound)",
            ),
            retained: gauge(
                names::ALLOCATOR_RETAINED,
                "By",
                "Memory retained for reuse instead of returned to the system",
            ),
            workers: gauge(names::TOKIO_WORKERS, "", "Tokio worker threads"),
            alive_tasks: gauge(names::TOKIO_ALIVE_TASKS, "", "Tokio tasks that have not completed"),
            queue_depth: gauge(names::TOKIO_GLOBAL_QUEUE_DEPTH, "", "Tasks waiting in Tokio's global queue"),
        }
    }

    /// Records the current values.
    pub fn collect(&self) {
        // jemalloc updates its statistics only when the epoch is advanced.
        if epoch::advance().is_ok() {
            for (gauge, bytes) in [
                (&self.allocated, stats::allocated::read()),
                (&self.active, stats::active::read()),
                (&self.resident, stats::resident::read()),
                (&self.retained, stats::retained::read()),
            ] {
                if let Ok(bytes) = bytes {
                    gauge.record(bytes as u64, &[]);
                }
            }
        }
        for (labels, runtime) in &self.runtimes {
            self.workers.record(runtime.num_workers() as u64, labels);
            self.alive_tasks.record(runtime.num_alive_tasks() as u64, labels);
            self.queue_depth.record(runtime.global_queue_depth() as u64, labels);
        }
    }
}
