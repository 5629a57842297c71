//! Every metric and label: the contract with dashboards and alerts.
//!
//! The exporter turns dots into underscores and appends the unit and a counter's `_total`, so the names here
//! are without them: `http.requests` is read as `http_requests_total`.

/// Counter: requests by [`METHOD`], [`ENDPOINT`] and [`STATUS_CODE`].
pub const HTTP_REQUESTS: &str = "http.requests";
/// Histogram, seconds: from the request's head to the last byte of its answer, by [`METHOD`] and [`ENDPOINT`].
pub const HTTP_REQUEST_DURATION: &str = "http.request.duration";

/// Histogram, bytes: bodies of requests as they arrived, by [`METHOD`] and [`ENDPOINT`].
pub const HTTP_REQUEST_SIZE: &str = "http.request.size";
/// Histogram, bytes: bodies of answers as they were sent, compressed or not, by [`METHOD`] and [`ENDPOINT`].
pub const HTTP_RESPONSE_SIZE: &str = "http.response.size";
/// Gauge: requests whose answers have not ended.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";
/// Histogram, seconds, with fine buckets: the same time as [`HTTP_REQUEST_DURATION`], by [`SEMCONV_METHOD`],
/// [`SEMCONV_ROUTE`] and [`SEMCONV_STATUS`] (OpenTelemetry's semantic conventions).
pub const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";

/// Label: as [`METHOD`].
pub const SEMCONV_METHOD: &str = "http.request.method";
/// Label: as [`ENDPOINT`].
pub const SEMCONV_ROUTE: &str = "http.route";
/// Label: as [`STATUS_CODE`].
pub const SEMCONV_STATUS: &str = "http.response.status_code";

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
/// Gauge: open file descriptors of the process, by their conventional name.
pub const PROCESS_OPEN_FDS: &str = "process_open_fds";
/// Gauge: the most file descriptors that the process may open.
pub const PROCESS_MAX_FDS: &str = "process_max_fds";
/// Gauge: threads of the process, by their conventional name.
pub const PROCESS_THREADS: &str = "process_threads";
/// Gauge, bytes: memory of the process that is swapped out.
pub const PROCESS_SWAP: &str = "process.swap";
/// Counter: context switches of the process's threads, by [`TYPE`]: voluntary or involuntary.
pub const PROCESS_CONTEXT_SWITCHES: &str = "process.context_switches";
/// Counter, bytes: read from storage.
pub const PROCESS_IO_READ: &str = "process.io_read";
/// Counter, bytes: written to storage.
pub const PROCESS_IO_WRITTEN: &str = "process.io_written";
/// Label: of which type.
pub const TYPE: &str = "type";
/// Gauge, seconds: when the process started, in Unix time.
pub const PROCESS_START_TIME: &str = "process.start_time";
/// Gauge, seconds: how long the process has run.
pub const PROCESS_UPTIME: &str = "process.uptime";

/// Gauge, bytes: memory that the process may use: the machine's or the cgroup's, whichever is lower.
pub const SYSTEM_MEMORY_LIMIT: &str = "system.memory_limit";
/// Gauge, bytes: memory that is left to the process: of the machine or of the cgroup, whichever is less.
pub const SYSTEM_MEMORY_AVAILABLE: &str = "system.memory_available";
/// Gauge: the machine's load, over a minute.
pub const SYSTEM_LOAD1: &str = "system_load1";
/// Gauge: the machine's load, over five minutes.
pub const SYSTEM_LOAD5: &str = "system_load5";
/// Gauge: the machine's load, over fifteen minutes.
pub const SYSTEM_LOAD15: &str = "system_load15";
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

/// Gauge: Tokio's worker threads, by [`RUNTIME`].
pub const TOKIO_WORKERS: &str = "tokio_workers";
/// Gauge: tasks that have not ended, by [`RUNTIME`].
pub const TOKIO_ALIVE_TASKS: &str = "tokio_alive_tasks";
/// Gauge: tasks that wait in the global queue, by [`RUNTIME`].
pub const TOKIO_GLOBAL_QUEUE_DEPTH: &str = "tokio_global_queue_depth";
/// Counter, seconds: time that the workers were busy, all of a [`RUNTIME`] together.
pub const TOKIO_WORKERS_BUSY: &str = "tokio.workers_busy";
/// Label: requests, or aside for what takes long.
pub const RUNTIME: &str = "runtime";

/// Histogram, seconds: statements of the database, by [`DB_OPERATION`] and [`OUTCOME`].
pub const DB_OPERATION_DURATION: &str = "db.client.operation.duration";
/// Gauge: connections to the database, by [`STATE`]: used or idle.
pub const DB_CONNECTIONS: &str = "db.client.connections";
/// Gauge: most connections to the database.
pub const DB_CONNECTION_MAX: &str = "db.client.connection.max";
/// Gauge: statements that wait for a connection.
pub const DB_CONNECTION_PENDING: &str = "db.client.connection.pending_requests";
/// Histogram, seconds: how long statements waited for a connection.
pub const DB_CONNECTION_WAIT: &str = "db.client.connection.wait_time";
/// Gauge: 1 while the database answers, else 0.
pub const DATABASE_UP: &str = "database_up";
/// Label: SELECT, INSERT, UPDATE, DELETE or OTHER.
pub const DB_OPERATION: &str = "db.operation.name";
/// Label: ok, error or refused.
pub const OUTCOME: &str = "outcome";
/// Label: which state.
pub const STATE: &str = "state";

/// Counter: GraphQL operations by [`OPERATION_TYPE`], [`OPERATION_NAME`] and [`OUTCOME`].
pub const GRAPHQL_REQUESTS: &str = "graphql.requests";
/// Histogram, seconds: GraphQL queries and mutations by [`OPERATION_TYPE`].
pub const GRAPHQL_REQUEST_DURATION: &str = "graphql.request.duration";
/// Counter: errors in GraphQL answers by [`CODE`].
pub const GRAPHQL_ERRORS: &str = "graphql.errors";
/// Label: query, mutation, subscription or unknown.
pub const OPERATION_TYPE: &str = "operation_type";
/// Label: the operation's name if it is one of the configured ones, empty if it has none, else `_OTHER`.
pub const OPERATION_NAME: &str = "operation_name";
/// Label: the error's code.
pub const CODE: &str = "code";

/// Gauge: subscribers to changes of products, of GraphQL and REST.
pub const SUBSCRIPTIONS_ACTIVE: &str = "graphql_subscriptions_active";
/// Gauge, seconds: how old the oldest change is that subscribers can't be told yet.
pub const CATALOG_CHANGES_DELAY: &str = "catalog.change_lag";
/// Gauge: products in the catalog.
pub const CATALOG_PRODUCTS: &str = "catalog_products";
/// Gauge: pieces in stock, all products together.
pub const CATALOG_STOCK_ITEMS: &str = "catalog_stock_items";

/// Gauge: 1, with the label `version`.
pub const BUILD_INFO: &str = "build_info";
/// Gauge, seconds: how long the last scrape took.
pub const METRICS_SCRAPE_DURATION: &str = "metrics.scrape_duration";
/// Gauge, bytes: how large the last scrape was.
pub const METRICS_SCRAPE_SIZE: &str = "metrics.scrape_size";

/// Upper bounds in seconds for what a fast server does: the semantic conventions' with finer ones before.
pub const FINE_BUCKETS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
