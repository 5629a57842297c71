//! Every metric and label: the contract with dashboards and alerts.
//!
//! The exporter turns dots into underscores and appends the unit and a counter's `_total`, so the names here
//! are without them: `http.requests` is read as `http_requests_total`.

/// Counter: requests by [`METHOD`], [`ENDPOINT`] and [`STATUS_CODE`].
pub const HTTP_REQUESTS: &str = "http.requests";
/// Histogram, seconds: from the request's head to the last byte of its answer, by [`METHOD`] and [`ENDPOINT`].
pub const HTTP_REQUEST_DURATION: &str = "http.request.duration";

/// Label: the request's method, or [`OTHER_METHOD`].
pub const METHOD: &str = "method";
/// Label: the route's template, or [`UNMATCHED`].
pub const ENDPOINT: &str = "endpoint";
/// Label: the answer's status; 499 where the client left before it.
pub const STATUS_CODE: &str = "status_code";
/// The [`METHOD`] of all that HTTP does not define (OpenTelemetry's semantic conventions).
pub const OTHER_METHOD: &str = "_OTHER";
/// The [`ENDPOINT`] of all that is no route.
pub const UNMATCHED: &str = "unmatched";

/// Counter, seconds: CPU time of the process since its start.
pub const PROCESS_CPU: &str = "process.cpu";
/// Gauge, bytes: physical memory of the process.
pub const PROCESS_RESIDENT_MEMORY: &str = "process.resident_memory";
/// Gauge, bytes: address space of the process.
pub const PROCESS_VIRTUAL_MEMORY: &str = "process.virtual_memory";
/// Gauge: open file descriptors of the process.
pub const CUSTOM_PROCESS_OPEN_FDS: &str = "custom_process_open_fds";
/// Gauge: threads of the process.
pub const CUSTOM_PROCESS_THREADS: &str = "custom_process_threads";
/// Gauge, seconds: when the process started, in Unix time.
pub const PROCESS_START_TIME: &str = "process.start_time";
/// Gauge, seconds: how long the process has run.
pub const PROCESS_UPTIME: &str = "process.uptime";

/// Gauge, bytes: memory that the process may use: the machine's or the cgroup's, whichever is lower.
pub const SYSTEM_MEMORY_LIMIT: &str = "system.memory_limit";
/// Gauge: CPU cores that the process may use: the machine's or the cgroup's, whichever is lower.
pub const SYSTEM_CPU_LIMIT_CORES: &str = "system_cpu_limit_cores";

/// Gauge, bytes: memory in use by the program.
pub const ALLOCATOR_ALLOCATED: &str = "allocator.allocated";
/// Gauge, bytes: pages that hold memory in use.
pub const ALLOCATOR_ACTIVE: &str = "allocator.active";
/// Gauge, bytes: physical memory that the allocator holds.
pub const ALLOCATOR_RESIDENT: &str = "allocator.resident";
/// Gauge, bytes: memory kept for reuse instead of given back to the system.
pub const ALLOCATOR_RETAINED: &str = "allocator.retained";

/// Gauge: Tokio's worker threads.
pub const TOKIO_WORKERS: &str = "tokio_workers";
/// Gauge: tasks that have not ended.
pub const TOKIO_ALIVE_TASKS: &str = "tokio_alive_tasks";
/// Gauge: tasks that wait in the global queue.
pub const TOKIO_GLOBAL_QUEUE_DEPTH: &str = "tokio_global_queue_depth";
/// Counter, seconds: time that the workers were busy, all together.
pub const TOKIO_WORKERS_BUSY: &str = "tokio.workers_busy";
