//! What the process may use: the machine's or its cgroup's, whichever is lower.

use opentelemetry::metrics::{Gauge, Meter};
use sysinfo::{Process, System};

use super::names;

/// The gauges of the limits.
pub struct HostMetrics {
    memory_limit: Gauge<u64>,
    cpu_limit: Gauge<f64>,
}

impl HostMetrics {
    pub fn new(meter: &Meter) -> Self {
        Self {
            memory_limit: meter
                .u64_gauge(names::SYSTEM_MEMORY_LIMIT)
                .with_unit("By")
                .with_description("Memory that the process may use: the machine's or the cgroup's")
                .build(),
            cpu_limit: meter
                .f64_gauge(names::SYSTEM_CPU_LIMIT_CORES)
                .with_description("CPU cores that the process may use: the machine's or the cgroup's")
                .build(),
        }
    }

    /// Takes the values of now: a container's limits can change while it runs.
    pub fn collect(&self, system: &System, process: &Process) {
        let cgroup = process.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
        self.memory_limit.record(cgroup.min(system.total_memory()), &[]);
        self.cpu_limit.record(cpu_limit(), &[]);
    }
}

/// The standard library knows affinity and quota, but only in whole cores; a quota below is read from cgroup 2.
fn cpu_limit() -> f64 {
    let whole = std::thread::available_parallelism().map_or(1, usize::from);
    let whole = u32::try_from(whole).map_or(f64::MAX, f64::from);
    let quota = std::fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().and_then(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    });
    quota.unwrap_or(f64::MAX).min(whole)
}
