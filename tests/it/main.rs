//! The promises to a user, each kept on SQLite and PostgreSQL. One binary: every further one costs a link.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[macro_use]
mod harness;

mod architecture;
mod aside;
mod bad_input;
mod bulk;
mod changes;
mod clients;
mod command_line;
mod concurrency;
mod contracts;
mod durability;
mod files;
mod graphql;
mod graphql_http;
mod graphql_limits;
mod health;
mod idempotency;
mod interfaces_agree;
mod manners;
mod metrics;
mod paging;
mod prometheus;
mod readme;
mod rest;
mod sockets;
mod startup;
mod stock;
mod streaming;
mod traces;
mod versions;
