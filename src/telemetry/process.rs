//! What the process itself uses. The CPU time is read at the scrape: sampled on a clock of its own, short
//! rates over it would swing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};
use sysinfo::Process;

use super::{gauge, names};

/// The gauges of the process.
pub struct ProcessMetrics {
    resident_memory: Gauge<u64>,
    virtual_memory: Gauge<u64>,
    /// By the seed's names and the conventional ones.
    open_fds: [Gauge<u64>; 2],
    threads: [Gauge<u64>; 2],
    max_fds: Gauge<u64>,
    swap: Gauge<u64>,
}

impl ProcessMetrics {
    pub fn new(meter: &Meter, process: &Process) -> Self {
        meter
            .f64_observable_counter(names::PROCESS_CPU)
            .with_unit("s")
            .with_description("CPU time of the process since its start, user and system")
            .with_callback(|observer| observer.observe(cpu_time().as_secs_f64(), &[]))
            .build();
        watch_counters(meter);
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
            open_fds: [names::CUSTOM_PROCESS_OPEN_FDS, names::PROCESS_OPEN_FDS]
                .map(|name| gauge(name, "", "Open file descriptors of the process")),
            threads: [names::CUSTOM_PROCESS_THREADS, names::PROCESS_THREADS]
                .map(|name| gauge(name, "", "Threads of the process")),
            max_fds: gauge(names::PROCESS_MAX_FDS, "", "Most file descriptors that the process may open"),
            swap: gauge(names::PROCESS_SWAP, "By", "Memory of the process that is swapped out"),
        }
    }

    /// Takes the values of now; one that the system does not tell keeps its last.
    pub fn collect(&self, process: &Process) {
        self.resident_memory.record(process.memory(), &[]);
        self.virtual_memory.record(process.virtual_memory(), &[]);
        if let Some(fds) = process.open_files() {
            // The directory that was open for counting is none of the process's own.
            self.open_fds.iter().for_each(|gauge| gauge.record(fds.saturating_sub(1) as u64, &[]));
        }
        // sysinfo would read every thread's files to count them.
        if let Ok(threads) = std::fs::read_dir("/proc/self/task") {
            let count = threads.count() as u64;
            self.threads.iter().for_each(|gauge| gauge.record(count, &[]));
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            self.max_fds.record(limit, &[]);
        }
        if let Some(swap) = field("/proc/self/status", "VmSwap:") {
            self.swap.record(swap * 1024, &[]);
        }
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// What only grows is read at the scrape, like the CPU time.
fn watch_counters(meter: &Meter) {
    meter
        .u64_observable_counter(names::PROCESS_CONTEXT_SWITCHES)
        .with_description("Context switches of the process's threads")
        .with_callback(|observer| {
            // Of all threads, those that have ended included.
            if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
                let count = |count: i64| u64::try_from(count).unwrap_or_default();
                let labels = |kind| [KeyValue::new(names::TYPE, kind)];
                observer.observe(count(usage.voluntary_context_switches()), &labels("voluntary"));
                observer.observe(count(usage.involuntary_context_switches()), &labels("involuntary"));
            }
        })
        .build();
    for (name, line, description) in [
        (names::PROCESS_IO_READ, "read_bytes:", "Bytes that the process has read from storage"),
        (names::PROCESS_IO_WRITTEN, "write_bytes:", "Bytes that the process has written to storage"),
    ] {
        meter
            .u64_observable_counter(name)
            .with_unit("By")
            .with_description(description)
            .with_callback(move |observer| {
                if let Some(bytes) = field("/proc/self/io", line) {
                    observer.observe(bytes, &[]);
                }
            })
            .build();
    }
}

/// The number behind a word at the begin of a line; none where the system has no such file.
fn field(file: &str, word: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}
