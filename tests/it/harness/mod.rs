//! Test harness. It runs the server's binary on a free port, with a separate folder and database for each
//! server.

mod client;
mod collector;
mod events;
mod eventually;
mod log;
mod node;
mod pgbouncer;
mod postgres;
mod server;
mod slow_tests;
mod tcp_proxy;
mod writability;

pub use client::{Response, http_client};
pub use collector::{Collector, attributes};
pub use events::Events;
pub use eventually::{eventually, eventually_within};
pub use log::{Log, TIMEOUT};
pub use node::{run_script, start_script};
pub use pgbouncer::PgBouncer;
pub use postgres::{Cluster, PASSWORD, cluster, free_port};
pub use server::{Server, Setup, binary, send_signal};
pub use tcp_proxy::TcpProxy;

/// Database under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    PostgreSql,
}

/// Declares two tests for each `async fn(Store)`, one on SQLite and one on PostgreSQL.
macro_rules! on_both_stores {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::harness::Store::Sqlite).await;
            })*
        }
        mod postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::harness::Store::PostgreSql).await;
            })*
        }
    };
}

/// JSON array of the 77 products in the Northwind sample database (MS-PL).
pub const NORTHWIND: &str = include_str!("../../../src/cli/demo/data/northwind-products.json");
