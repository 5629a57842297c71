//! The allocator and the async runtime: what Rust has where Python has garbage collection statistics.

use opentelemetry::metrics::{Gauge, Meter};
use tikv_jemalloc_ctl::{epoch, stats};
use tokio::runtime::{Handle, RuntimeMetrics as Tokio};

use super::{gauge, names};

/// The gauges of the allocator and of the runtime that it was made in.
pub struct RuntimeMetrics {
    tokio: Tokio,
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
        let tokio = Handle::current().metrics();
        let runtime = tokio.clone();
        meter
            .f64_observable_counter(names::TOKIO_WORKERS_BUSY)
            .with_unit("s")
            .with_description("Time that Tokio's workers were busy, all together")
            .with_callback(move |observer| {
                let busy =
                    (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker));
                observer.observe(busy.map(|time| time.as_secs_f64()).sum(), &[]);
            })
            .build();
        let gauge = |name, unit, description| gauge(meter, name, unit, description);
        Self {
            tokio,
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
        self.workers.record(self.tokio.num_workers() as u64, &[]);
        self.alive_tasks.record(self.tokio.num_alive_tasks() as u64, &[]);
        self.queue_depth.record(self.tokio.global_queue_depth() as u64, &[]);
    }
}
