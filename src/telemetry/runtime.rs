//! The allocator and the async runtime: what Rust has where Python has garbage collection statistics.

use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};
use tikv_jemalloc_ctl::{epoch, stats};
use tokio::runtime::{Handle, RuntimeMetrics as Tokio};

use super::{gauge, names};
use crate::background_runtime;

/// Those of Tokio, each with its name.
type Runtimes = [([KeyValue; 1], Tokio); 2];

/// The gauges of the allocator, of the runtime that it was made in and of the one aside.
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
    pub fn new(meter: &Meter) -> Self {
        let runtimes =
            [("requests", Handle::current().metrics()), ("background", background_runtime::metrics())]
                .map(|(name, runtime)| ([KeyValue::new(names::RUNTIME, name)], runtime));
        let observed = runtimes.clone();
        meter
            .f64_observable_counter(names::TOKIO_WORKERS_BUSY)
            .with_unit("s")
            .with_description("Time that the workers of a runtime were busy, all together")
            .with_callback(move |observer| {
                for (attributes, runtime) in &observed {
                    let busy =
                        (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker));
                    observer.observe(busy.map(|time| time.as_secs_f64()).sum(), attributes);
                }
            })
            .build();
        let gauge = |name, unit, description| gauge(meter, name, unit, description);
        Self {
            runtimes,
            allocated: gauge(names::ALLOCATOR_ALLOCATED, "By", "Memory in use by the program"),
            active: gauge(names::ALLOCATOR_ACTIVE, "By", "Pages that hold memory in use"),
            resident: gauge(
                names::ALLOCATOR_RESIDENT,
                "By",
                "Physical memory that the allocator holds, at most",
            ),
            retained: gauge(names::ALLOCATOR_RETAINED, "By", "Memory kept for reuse, not given back"),
            workers: gauge(names::TOKIO_WORKERS, "", "Worker threads of Tokio"),
            alive_tasks: gauge(names::TOKIO_ALIVE_TASKS, "", "Tasks of Tokio that have not ended"),
            queue_depth: gauge(
                names::TOKIO_GLOBAL_QUEUE_DEPTH,
                "",
                "Tasks that wait in Tokio's global queue",
            ),
        }
    }

    /// Takes the values of now.
    pub fn collect(&self) {
        // jemalloc's statistics stand still until the epoch is advanced.
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
        for (attributes, runtime) in &self.runtimes {
            self.workers.record(runtime.num_workers() as u64, attributes);
            self.alive_tasks.record(runtime.num_alive_tasks() as u64, attributes);
            self.queue_depth.record(runtime.global_queue_depth() as u64, attributes);
        }
    }
}
