//! Stockmeter: a product inventory server with REST, GraphQL and Prometheus metrics.
//!
//! Modules depend on each other in one direction:
//! `entity ← domain ← store ← catalog ← rest | graphql ← app ← server ← main`.
//!
//! - [`domain`]: types and rules of products, changes, filters and pages, without I/O
//! - [`store`]: the databases: all SQL, connections, transactions and migrations
//! - [`catalog`]: the only module that reads and writes products in a store
//! - [`formats`]: products as JSON, CSV and NDJSON, and backups
//! - [`json_string`]: JSON string escaping
//! - [`access`]: authentication of callers by API tokens and JSON Web Tokens
//! - [`http`]: problems, request bodies, content negotiation and media types, shared by REST and GraphQL
//! - [`rest`] and [`graphql`]: the two APIs, which translate between HTTP and the catalog
//! - [`operations`]: routes for operators: index, console, health, metrics and slow requests
//! - [`app`]: the routes with their middleware, and the OpenAPI document
//! - [`server`]: startup, listeners, idle timeouts and shutdown
//! - [`telemetry`]: metrics and their Prometheus and OTLP exporters
//! - [`trace_targets`]: target of the spans, and whether spans are exported
//! - [`request_context`]: id, trace, caller, error code and database usage of the current request
//! - [`background_runtime`]: second Tokio runtime, for long-running work
//! - [`audit`]: log lines of changes and of requests that are denied
//! - [`gcra`]: limits of rates
//! - [`rate_by_holder`]: one limit for each of many callers
//! - [`unix_time`]: times in seconds since 1970
//! - [`panics`]: panic messages, and panics of joined tasks
//! - [`config`]: all settings
//! - [`logging`]: log output
//! - [`cli`]: the command line and its commands

pub mod access;
pub mod app;
pub mod audit;
pub mod background_runtime;
#[warn(missing_docs)]
pub mod catalog;
pub mod cli;
#[warn(missing_docs)]
pub mod config;
pub mod domain;
pub mod formats;
pub mod gcra;
pub mod graphql;
pub mod http;
pub mod json_string;
pub mod logging;
pub mod operations;
pub mod panics;
pub mod rate_by_holder;
pub mod request_context;
pub mod rest;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod trace_targets;
pub mod unix_time;
