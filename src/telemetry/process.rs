//! What the process itself uses. The CPU time is read at the scrape: sampled on a clock of its own, short
//! rates over it would swing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::metrics::{Gauge, Meter};
use rustix::time::{ClockId, clock_gettime};
use sysinfo::Process;

use super::{gauge, names};

/// The gauges of the process.
pub struct ProcessMetrics {
    resident_memory: Gauge<u64>,
    virtual_memory: Gauge<u64>,
    open_fds: Gauge<u64>,
    threads: Gauge<u64>,
}

impl ProcessMetrics {
    pub fn new(meter: &Meter, process: &Process) -> Self {
        meter
            .f64_observable_counter(names::PROCESS_CPU)
            .with_unit("s")
            .with_description("CPU time of the process since its start, user and system")
            .with_callback(|observer| observer.observe(cpu_time().as_secs_f64(), &[]))
            .build();
        let started = process.start_time();
        meter
            .f64_observable_gauge(names::PROCESS_UPTIME)
            .with_unit("s")
            .with_description("How long the process has run")
            .with_callback(move |observer| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                observer.observe(now.saturating_sub(Duration::from_secs(started)).as_secs_f64(), &[]);
            })
            .build();
        let gauge = |name, unit, description| gauge(meter, name, unit, description);
        gauge(names::PROCESS_START_TIME, "s", "When the process started, in Unix time").record(started, &[]);
        Self {
            resident_memory: gauge(names::PROCESS_RESIDENT_MEMORY, "By", "Physical memory of the process"),
            virtual_memory: gauge(names::PROCESS_VIRTUAL_MEMORY, "By", "Address space of the process"),
            open_fds: gauge(names::CUSTOM_PROCESS_OPEN_FDS, "", "Open file descriptors of the process"),
            threads: gauge(names::CUSTOM_PROCESS_THREADS, "", "Threads of the process"),
        }
    }

    /// Takes the values of now; one that the system does not tell keeps its last.
    pub fn collect(&self, process: &Process) {
        self.resident_memory.record(process.memory(), &[]);
        self.virtual_memory.record(process.virtual_memory(), &[]);
        if let Some(fds) = process.open_files() {
            // The directory that was open for counting is none of the process's own.
            self.open_fds.record(fds.saturating_sub(1) as u64, &[]);
        }
        // sysinfo would read every thread's files to count them.
        if let Ok(threads) = std::fs::read_dir("/proc/self/task") {
            self.threads.record(threads.count() as u64, &[]);
        }
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}
