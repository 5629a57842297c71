//! Stockmeter: a product inventory over REST and GraphQL, measured the Prometheus way.
//!
//! Data flows one way: `entity ← catalog ← rest | graphql ← server ← main`. The rooms:
//!
//! - [`config`]: every setting once
//! - [`database`]: the store, waited for and migrated
//! - [`catalog`]: the rules; the only door to the products
//! - [`formats`]: how products are written down
//! - [`rest`] and [`graphql`]: translate between HTTP and the catalog
//! - [`problem`], [`body`] and [`accept`]: what both of them need of HTTP
//! - [`aside`]: threads for what may take long
//! - [`telemetry`]: meters, and their bridge to Prometheus; wrapped around the rest by a layer
//! - [`server`]: puts the rooms together, listens, shuts down
//! - [`panics`]: what a panic said, and panics of tasks
//! - [`quoted`]: strings as JSON has them
//! - [`request`]: which request something is done for, and what it costs the database
//! - [`spans`]: what the spans of a trace have in common
//! - [`transfer`], [`healthcheck`] and [`logging`]: for the command line

pub mod app;
pub mod background_runtime;
#[warn(missing_docs)]
pub mod catalog;
pub mod cli;
#[warn(missing_docs)]
pub mod config;
pub mod database;
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
