//! Names of metrics and labels, which dashboards and alerts rely on.
//!
//! The exporter replaces dots by underscores and appends the unit and, for counters, `_total`. For example,
//! `http.requests` is exported as `http_requests_total`.

/// Counter by [`METHOD`], [`ENDPOINT`] and [`STATUS_CODE`].
pub const HTTP_REQUESTS: &str = "http.requests";
/// Histogram in seconds by [`METHOD`] and [`ENDPOINT`]: from the request headers to the last byte of the
/// response.
pub const HTTP_REQUEST_DURATION: &str = "http.request.duration";

/// Histogram in bytes by [`METHOD`] and [`ENDPOINT`]: request bodies as received.
pub const HTTP_REQUEST_SIZE: &str = "http.request.size";
/// Histogram in bytes by [`METHOD`] and [`ENDPOINT`]: response bodies as sent, compressed or not.
pub const HTTP_RESPONSE_SIZE: &str = "http.response.size";
/// Gauge of requests whose responses have not ended.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";
/// Counter of HTTP/2 connections that the server closed because the client broke the protocol or its limits.
pub const HTTP_CONNECTIONS_ABORTED: &str = "http.connections_aborted";
/// Counter by [`LIMIT`] and [`PARTY`]: requests and connections that a limit rejected.
pub const HTTP_REJECTIONS: &str = "http.rejections";
/// Label: name of a limit, as in docs/limits.md.
pub const LIMIT: &str = "limit";
/// Label: `everyone` for the limit of all clients, `caller` for that of one.
pub const PARTY: &str = "party";
/// Histogram in seconds with [`FINE_BUCKETS`] by [`SEMCONV_METHOD`], [`SEMCONV_ROUTE`] and
/// [`SEMCONV_STATUS`]: the same time as [`HTTP_REQUEST_DURATION`], named by OpenTelemetry's semantic
/// conventions.
pub const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";

/// Label with the value of [`METHOD`].
pub const SEMCONV_METHOD: &str = "http.request.method";
/// Label with the value of [`ENDPOINT`].
pub const SEMCONV_ROUTE: &str = "http.route";
/// Label with the value of [`STATUS_CODE`].
pub const SEMCONV_STATUS: &str = "http.response.status_code";

/// Label: the request method, or [`OTHER_METHOD`].
pub const METHOD: &str = "method";
/// Label: the route template, or [`UNMATCHED`].
pub const ENDPOINT: &str = "endpoint";
/// Label: the response status. It is 499 if the client disconnected before the response started, and 500 if
/// the response was aborted.
pub const STATUS_CODE: &str = "status_code";
/// Value of [`METHOD`] for methods that HTTP does not define (OpenTelemetry's semantic conventions).
pub const OTHER_METHOD: &str = "_OTHER";
/// Value of [`ENDPOINT`] for requests that match no route.
pub const UNMATCHED: &str = "unmatched";

/// Counter of log lines that were dropped because standard error was not read.
pub const LOG_LINES_DROPPED: &str = "log.lines_dropped";
/// Counter of warnings and errors that were not logged, because there were too many similar ones.
pub const LOG_LINES_SUPPRESSED: &str = "log.lines_suppressed";

/// Counter in seconds: user and system CPU time.
pub const PROCESS_CPU: &str = "process.cpu";
/// Gauge in bytes: physical memory.
pub const PROCESS_RESIDENT_MEMORY: &str = "process.resident_memory";
/// Gauge in bytes: virtual memory.
pub const PROCESS_VIRTUAL_MEMORY: &str = "process.virtual_memory";
/// Gauge of open file descriptors, under the legacy service's name.
pub const CUSTOM_PROCESS_OPEN_FDS: &str = "custom_process_open_fds";
/// Gauge of threads, under the legacy service's name.
pub const CUSTOM_PROCESS_THREADS: &str = "custom_process_threads";
/// Gauge of open file descriptors, under the conventional name.
pub const PROCESS_OPEN_FDS: &str = "process_open_fds";
/// Gauge of the maximum number of open file descriptors.
pub const PROCESS_MAX_FDS: &str = "process_max_fds";
/// Gauge of threads, under the conventional name.
pub const PROCESS_THREADS: &str = "process_threads";
/// Gauge in bytes: swapped-out memory.
pub const PROCESS_SWAP: &str = "process.swap";
/// Counter by [`TYPE`]: `voluntary` or `involuntary`.
pub const PROCESS_CONTEXT_SWITCHES: &str = "process.context_switches";
/// Counter in bytes: read from storage.
pub const PROCESS_IO_READ: &str = "process.io_read";
/// Counter in bytes: written to storage.
pub const PROCESS_IO_WRITTEN: &str = "process.io_written";
/// Label: the type of a context switch.
pub const TYPE: &str = "type";
/// Gauge in seconds since the Unix epoch.
pub const PROCESS_START_TIME: &str = "process.start_time";
/// Gauge in seconds since the start of the process.
pub const PROCESS_UPTIME: &str = "process.uptime";

/// Gauge in bytes: memory that the process may use, limited by the machine or the cgroup.
pub const SYSTEM_MEMORY_LIMIT: &str = "system.memory_limit";
/// Gauge in bytes: memory still available to the process, limited by the machine or the cgroup.
pub const SYSTEM_MEMORY_AVAILABLE: &str = "system.memory_available";
/// Gauge of the machine's load average over one minute.
pub const SYSTEM_LOAD1: &str = "system_load1";
/// Gauge of the machine's load average over five minutes.
pub const SYSTEM_LOAD5: &str = "system_load5";
/// Gauge of the machine's load average over fifteen minutes.
pub const SYSTEM_LOAD15: &str = "system_load15";
/// Gauge of the CPU cores that the process may use, limited by the machine or the cgroup.
pub const SYSTEM_CPU_LIMIT_CORES: &str = "system_cpu_limit_cores";

/// Gauge by [`RUNTIME`]: worker threads.
pub const TOKIO_WORKERS: &str = "tokio_workers";
/// Gauge by [`RUNTIME`]: tasks that have not completed.
pub const TOKIO_ALIVE_TASKS: &str = "tokio_alive_tasks";
/// Gauge by [`RUNTIME`]: tasks waiting in the global queue.
pub const TOKIO_GLOBAL_QUEUE_DEPTH: &str = "tokio_global_queue_depth";
/// Counter in seconds by [`RUNTIME`]: busy time, summed over all workers.
pub const TOKIO_WORKERS_BUSY: &str = "tokio.workers_busy";
/// Label: `requests` or `background`.
pub const RUNTIME: &str = "runtime";

/// Histogram in seconds by [`DB_OPERATION`] and [`OUTCOME`]: database statements.
pub const DB_OPERATION_DURATION: &str = "db.client.operation.duration";
/// Gauge by [`STATE`]: open connections.
pub const DB_CONNECTIONS: &str = "db.client.connections";
/// Gauge of the maximum number of connections.
pub const DB_CONNECTION_MAX: &str = "db.client.connection.max";
/// Gauge of statements waiting for a connection.
pub const DB_CONNECTION_PENDING: &str = "db.client.connection.pending_requests";
/// Histogram in seconds: time that statements waited for a connection.
pub const DB_CONNECTION_WAIT: &str = "db.client.connection.wait_time";
/// Gauge: 1 if the database is reachable, otherwise 0.
pub const DATABASE_UP: &str = "database_up";
/// Gauge: 1 if the database is reachable and accepts writes, otherwise 0.
pub const DATABASE_WRITABLE: &str = "database_writable";
/// Counter by [`ROLE`]: reads of products, if there is a replica.
pub const DATABASE_READS: &str = "database.reads";
/// Gauge: 1 if the last check of the replica succeeded, otherwise 0.
pub const DATABASE_REPLICA_UP: &str = "database_replica_up";
/// Gauge in seconds: age of the last transaction that the replica has replayed, 0 if it has replayed all.
pub const DATABASE_REPLICA_LAG: &str = "database.replica_lag";
/// Gauge in bytes: part of the primary's log that the replica has not replayed.
pub const DATABASE_REPLICA_LAG_SIZE: &str = "database.replica_lag_size";
/// Label: `primary` or `replica`.
pub const ROLE: &str = "role";
/// Label: `SELECT`, `INSERT`, `UPDATE`, `DELETE` or `OTHER`.
pub const DB_OPERATION: &str = "db.operation.name";
/// Label: `ok`, `error` or `unique_violation` for statements; `ok`, `error` or `rejected` for GraphQL
/// operations.
pub const OUTCOME: &str = "outcome";
/// Label: `used` or `idle`.
pub const STATE: &str = "state";

/// Counter by [`OPERATION_TYPE`], [`OPERATION_NAME`] and [`OUTCOME`].
pub const GRAPHQL_REQUESTS: &str = "graphql.requests";
/// Histogram in seconds by [`OPERATION_TYPE`] and [`OUTCOME`]: queries and mutations.
pub const GRAPHQL_REQUEST_DURATION: &str = "graphql.request.duration";
/// Counter by [`CODE`]: errors in responses.
pub const GRAPHQL_ERRORS: &str = "graphql.errors";
/// Label: `query`, `mutation`, `subscription` or `unknown`.
pub const OPERATION_TYPE: &str = "operation_type";
/// Label: the operation's name if it is configured, `_OTHER` if it is not, and empty for an unnamed
/// operation.
pub const OPERATION_NAME: &str = "operation_name";
/// Label: the error code.
pub const CODE: &str = "code";

/// Gauge of subscribers to product changes, over GraphQL or REST.
pub const SUBSCRIPTIONS_ACTIVE: &str = "graphql_subscriptions_active";
/// Gauge in seconds: age of the oldest unpublished change.
pub const CATALOG_CHANGES_DELAY: &str = "catalog.changes_delay";
/// Gauge of products in the catalog.
pub const CATALOG_PRODUCTS: &str = "catalog_products";
/// Gauge of items in stock, summed over all products.
pub const CATALOG_STOCK_ITEMS: &str = "catalog_stock_items";

/// Gauge that is always 1, with the label `version`.
pub const BUILD_INFO: &str = "build_info";
/// Gauge in seconds: rendering time of the previous scrape.
pub const METRICS_SCRAPE_DURATION: &str = "metrics.scrape_duration";
/// Gauge in bytes: uncompressed size of the previous scrape.
pub const METRICS_SCRAPE_SIZE: &str = "metrics.scrape_size";

/// Upper bounds in seconds: those of the semantic conventions, with finer ones below 5 ms.
pub const FINE_BUCKETS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
