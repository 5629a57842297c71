//! Starts the real server on a free port with a database of its own.

mod client;
mod collector;
mod events;
mod log;
mod network;
mod postgres;
mod server;

pub use client::{Answer, http_client};
pub use collector::{Collector, attributes};
pub use events::Events;
pub use log::{Log, TIMEOUT};
pub use server::{Server, Setup, binary, send_signal};

pub use network::Way;
pub use postgres::{PASSWORD, cluster, free_port};

/// The store that a case runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    PostgreSql,
}

/// Makes two tests of each async function that takes a [`Store`].
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

/// The 77 products of the Northwind sample database (Ms-PL).
pub const NORTHWIND: &str = include_str!("../../data/northwind-products.json");
