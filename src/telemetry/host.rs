//! What the process may use: the machine's or its cgroup's, whichever is lower.

use std::path::Path;

use opentelemetry::metrics::{Gauge, Meter};
use sysinfo::{Process, System};

use super::names;

/// The gauges of the limits.
pub struct HostMetrics {
    memory_limit: Gauge<u64>,
    memory_available: Gauge<u64>,
    /// Over 1, 5 and 15 minutes.
    load: [Gauge<f64>; 3],
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
            memory_available: meter
                .u64_gauge(names::SYSTEM_MEMORY_AVAILABLE)
                .with_unit("By")
                .with_description("Memory that is left to the process: of the machine or of the cgroup")
                .build(),
            load: [names::SYSTEM_LOAD1, names::SYSTEM_LOAD5, names::SYSTEM_LOAD15]
                .map(|name| meter.f64_gauge(name).with_description("The machine's load").build()),
            cpu_limit: meter
                .f64_gauge(names::SYSTEM_CPU_LIMIT_CORES)
                .with_description("CPU cores that the process may use: the machine's or the cgroup's")
                .build(),
        }
    }

    /// Takes the values of now: a container's limits can change while it runs.
    pub fn collect(&self, system: &System, process: &Process) {
        let cgroup = process.cgroup_limits();
        let (total, free) =
            cgroup.map_or((u64::MAX, u64::MAX), |limits| (limits.total_memory, limits.free_memory));
        self.memory_limit.record(total.min(system.total_memory()), &[]);
        self.memory_available.record(free.min(system.available_memory()), &[]);
        if let Ok(load) = System::load_average() {
            for (gauge, load) in self.load.iter().zip([load.one, load.five, load.fifteen]) {
                gauge.record(load, &[]);
            }
        }
        self.cpu_limit.record(cpu_limit(), &[]);
    }
}

/// The processors that the process may run on, or less where its cgroup or one around it has a quota.
fn cpu_limit() -> f64 {
    let quota = quotas().into_iter().fold(f64::INFINITY, f64::min);
    quota.min(processors())
}

#[cfg(target_os = "linux")]
fn processors() -> f64 {
    let count = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    f64::from(count)
}

#[cfg(not(target_os = "linux"))]
fn processors() -> f64 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(count).map_or(1.0, f64::from)
}

/// What cgroup 2 allows, in processors.
fn quotas() -> Vec<f64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let folder = Path::new("/sys/fs/cgroup").join(own.trim_start_matches('/'));
    let files = folder.ancestors().take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    let texts = files.filter_map(|folder| std::fs::read_to_string(folder.join("cpu.max")).ok());
    let quotas = texts.filter_map(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        // "max" is no number, and no quota.
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    });
    quotas.collect()
}
