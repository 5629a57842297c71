//! Metrics of the memory allocator, jemalloc.

use opentelemetry::metrics::{Gauge, Meter};
use tikv_jemalloc_ctl::{epoch, stats};

use super::{gauge, names};

pub struct AllocatorMetrics {
    allocated: Gauge<u64>,
    active: Gauge<u64>,
    resident: Gauge<u64>,
    retained: Gauge<u64>,
}

impl AllocatorMetrics {
    /// Registers the instruments.
    pub fn new(meter: &Meter) -> Self {
        let gauge = |name, description| gauge(meter, name, "By", description);
        Self {
            allocated: gauge(names::ALLOCATOR_ALLOCATED, "Memory allocated by the program"),
            active: gauge(names::ALLOCATOR_ACTIVE, "Memory in pages with live allocations"),
            resident: gauge(names::ALLOCATOR_RESIDENT, "Physical memory held by the allocator (upper bound)"),
            retained: gauge(
                names::ALLOCATOR_RETAINED,
                "Memory retained for reuse instead of returned to the system",
            ),
        }
    }

    /// Records the current values.
    pub fn collect(&self) {
        // jemalloc updates its statistics only when the epoch is advanced.
        if epoch::advance().is_err() {
            return;
        }
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
}
