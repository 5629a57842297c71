//! What the process itself uses. The CPU time is read at the scrape: sampled on a clock of its own, short
//! rates over it would swing.

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

/// The gauges of the process.
pub struct ProcessMetrics {
    resident_memory: Gauge<u64>,
    virtual_memory: Gauge<u64>,
    /// By the seed's names and the conventional ones.
    open_fds: [Gauge<u64>; 2],
    threads: [Gauge<u64>; 2],
    max_fds: Gauge<u64>,
    swap: Gauge<u64>,
    status: Status,
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
            status: Status::open(),
        }
    }

    /// Takes the values of now; one that the system does not tell keeps its last.
    pub fn collect(&self, process: &Process) {
        let status = self.status.read();
        let memory = |word| number(&status, word).map(|kilobytes| kilobytes * 1024);
        self.resident_memory.record(memory("VmRSS:").unwrap_or_else(|| process.memory()), &[]);
        self.virtual_memory.record(memory("VmSize:").unwrap_or_else(|| process.virtual_memory()), &[]);
        if let Some(swap) = memory("VmSwap:") {
            self.swap.record(swap, &[]);
        }
        // sysinfo would read every thread's files to count them.
        if let Some(count) = number(&status, "Threads:") {
            self.threads.iter().for_each(|gauge| gauge.record(count, &[]));
        }
        let limit = getrlimit(Resource::Nofile).current;
        if let Some(limit) = limit {
            self.max_fds.record(limit, &[]);
        }
        // Counting takes a descriptor: when it can't have one, all are open.
        let count = if fds_are_used_up() { limit } else { count_fds(process) };
        if let Some(count) = count {
            self.open_fds.iter().for_each(|gauge| gauge.record(count, &[]));
        }
    }
}

/// Whether the process can open nothing, not even what tells about it.
pub(super) fn fds_are_used_up() -> bool {
    File::open("/").is_err_and(|error| error.raw_os_error() == Some(Errno::MFILE.raw_os_error()))
}

/// Without the directory that is open for counting, which is none of the process's own.
fn count_fds(process: &Process) -> Option<u64> {
    process.open_files().map(|count| count.saturating_sub(1) as u64)
}

/// `/proc/self/status`, kept open: it has to be read also when no descriptor is left. None where there is no such file.
struct Status(Option<File>);

impl Status {
    fn open() -> Self {
        Self(File::open("/proc/self/status").ok())
    }

    /// As it is now; empty where it can't be read.
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
                let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
                if let Some(bytes) = number(&text, line) {
                    observer.observe(bytes, &[]);
                }
            })
            .build();
    }
}

/// The number behind a word at the begin of a line.
fn number(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}
