//! Metrics of the process's own resources. Counters such as CPU time are read at each scrape. If they were
//! read at another interval, rates over short ranges would fluctuate.

use std::{
    fs::File,
    io::{Read, Seek},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::sys::resource::{UsageWho, getrusage};
use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Meter},
};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};
use sysinfo::Process;

use super::{gauge, names};

pub struct ProcessMetrics {
    resident_memory: Gauge<u64>,
    virtual_memory: Gauge<u64>,
    /// The legacy service's metric and the conventional metric.
    open_fds: [Gauge<u64>; 2],
    threads: [Gauge<u64>; 2],
    max_fds: Gauge<u64>,
    swap: Gauge<u64>,
    status: StatusFile,
}

impl ProcessMetrics {
    pub fn new(meter: &Meter, process: &Process) -> Self {
        meter
            .f64_observable_counter(names::PROCESS_CPU)
            .with_unit("s")
            .with_description("User and system CPU time since the process started")
            .with_callback(|observer| observer.observe(cpu_time().as_secs_f64(), &[]))
            .build();
        register_counters(meter);
        let started = process.start_time();
        meter
            .f64_observable_gauge(names::PROCESS_UPTIME)
            .with_unit("s")
            .with_description("Time since the process started")
            .with_callback(move |observer| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                observer.observe(now.saturating_sub(Duration::from_secs(started)).as_secs_f64(), &[]);
            })
            .build();
        let gauge = |name, unit, description| gauge(meter, name, unit, description);
        gauge(names::PROCESS_START_TIME, "s", "Start time of the process, in Unix time").record(started, &[]);
        Self {
            resident_memory: gauge(names::PROCESS_RESIDENT_MEMORY, "By", "Physical memory of the process"),
            virtual_memory: gauge(names::PROCESS_VIRTUAL_MEMORY, "By", "Virtual memory of the process"),
            open_fds: [names::CUSTOM_PROCESS_OPEN_FDS, names::PROCESS_OPEN_FDS]
                .map(|name| gauge(name, "", "Open file descriptors of the process")),
            threads: [names::CUSTOM_PROCESS_THREADS, names::PROCESS_THREADS]
                .map(|name| gauge(name, "", "Threads of the process")),
            max_fds: gauge(
                names::PROCESS_MAX_FDS,
                "",
                "Maximum number of file descriptors that the process may open",
            ),
            swap: gauge(names::PROCESS_SWAP, "By", "Swapped-out memory of the process"),
            status: StatusFile::open(),
        }
    }

    /// Records the current values. A gauge keeps its last value if the system does not report a new one.
    pub fn collect(&self, process: &Process) {
        let status = self.status.read();
        let memory = |label| parse_field(&status, label).map(|kilobytes| kilobytes * 1024);
        self.resident_memory.record(memory("VmRSS:").unwrap_or_else(|| process.memory()), &[]);
        self.virtual_memory.record(memory("VmSize:").unwrap_or_else(|| process.virtual_memory()), &[]);
        if let Some(swap) = memory("VmSwap:") {
            self.swap.record(swap, &[]);
        }
        // sysinfo is not used, because it reads files of every thread to count the threads.
        if let Some(count) = parse_field(&status, "Threads:") {
            self.threads.iter().for_each(|gauge| gauge.record(count, &[]));
        }
        let limit = getrlimit(Resource::Nofile).current;
        if let Some(limit) = limit {
            self.max_fds.record(limit, &[]);
        }
        // Counting needs a free file descriptor. If no descriptor is free, the count equals the limit.
        let count = if file_descriptors_exhausted() { limit } else { count_open_files(process) };
        if let Some(count) = count {
            self.open_fds.iter().for_each(|gauge| gauge.record(count, &[]));
        }
    }
}

/// Returns whether the process cannot open any more files.
pub(super) fn file_descriptors_exhausted() -> bool {
    File::open("/").is_err_and(|error| error.raw_os_error() == Some(Errno::MFILE.raw_os_error()))
}

/// Returns the number of open files without the directory that is opened for counting, or `None` if the
/// system does not report it.
fn count_open_files(process: &Process) -> Option<u64> {
    process.open_files().map(|count| count.saturating_sub(1) as u64)
}

/// `/proc/self/status`, kept open because it must be readable even if no file descriptor is free. `None` if
/// it cannot be opened.
struct StatusFile(Option<File>);

impl StatusFile {
    fn open() -> Self {
        Self(File::open("/proc/self/status").ok())
    }

    /// Returns the current text, or an empty string if the file cannot be read.
    fn read(&self) -> String {
        let mut text = String::new();
        if let Some(mut file) = self.0.as_ref()
            && file.rewind().and_then(|()| file.read_to_string(&mut text)).is_err()
        {
            text.clear();
        }
        text
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// Registers the counters of context switches and of storage I/O.
fn register_counters(meter: &Meter) {
    meter
        .u64_observable_counter(names::PROCESS_CONTEXT_SWITCHES)
        .with_description("Context switches of all threads of the process")
        .with_callback(|observer| {
            // Unlike `/proc/self/status`, this usage includes all threads, also those that have ended.
            if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
                let count = |count: i64| u64::try_from(count).unwrap_or_default();
                let labels = |switch_type| [KeyValue::new(names::TYPE, switch_type)];
                observer.observe(count(usage.voluntary_context_switches()), &labels("voluntary"));
                observer.observe(count(usage.involuntary_context_switches()), &labels("involuntary"));
            }
        })
        .build();
    for (name, label, description) in [
        (names::PROCESS_IO_READ, "read_bytes:", "Bytes that the process read from storage"),
        (names::PROCESS_IO_WRITTEN, "write_bytes:", "Bytes that the process wrote to storage"),
    ] {
        meter
            .u64_observable_counter(name)
            .with_unit("By")
            .with_description(description)
            .with_callback(move |observer| {
                let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
                if let Some(bytes) = parse_field(&text, label) {
                    observer.observe(bytes, &[]);
                }
            })
            .build();
    }
}

/// Returns the number after `label` at the start of a line, or `None` if no line starts with `label` and a
/// number.
fn parse_field(text: &str, label: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(label))?;
    value.split_whitespace().next()?.parse().ok()
}
