//! Stockmeter: a product inventory server with REST, GraphQL and Prometheus metrics.
//!
//! Modules depend on each other in one direction:
//! `entity ← domain | database ← catalog ← rest | graphql ← app ← server ← main`.
//!
//! - [`database`]: connections, transactions and migrations
//! - [`domain`]: what products, changes, filters and pages are, without I/O
//! - [`catalog`]: the service; the only module that reads and writes products
//! - [`formats`]: products as JSON, CSV and NDJSON
//! - [`json_string`]: JSON string escaping
//! - [`http`]: what REST and GraphQL share: problems, request bodies, content negotiation, media types
//! - [`rest`] and [`graphql`]: the two APIs, which translate between HTTP and the catalog
//! - [`operations`]: routes for operators: index, health, metrics, slow requests
//! - [`app`]: the routes with their middleware, and the OpenAPI document
//! - [`server`]: startup, listeners, idle timeouts and shutdown
//! - [`telemetry`]: metrics and their Prometheus and OTLP exporters
//! - [`trace_targets`]: targets of the spans that go to traces and logs
//! - [`request_context`]: id, trace and database usage of the current request
//! - [`background_runtime`]: second Tokio runtime, for long-running work
//! - [`panics`]: messages of panics, and panics of tasks
//! - [`config`]: all settings
//! - [`logging`]: log output
//! - [`cli`]: the commands `import`, `export` and `healthcheck`

pub mod app;
pub mod background_runtime;
#[warn(missing_docs)]
pub mod catalog;
pub mod cli;
#[warn(missing_docs)]
pub mod config;
pub mod database;
pub mod domain;
pub mod formats;
pub mod graphql;
pub mod http;
pub mod json_string;
pub mod logging;
pub mod operations;
pub mod panics;
pub mod request_context;
pub mod rest;
pub mod server;
pub mod telemetry;
pub mod trace_targets;
