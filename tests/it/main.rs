//! The promises to a user, each kept on SQLite and PostgreSQL. One binary: every further one costs a link.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[macro_use]
mod harness;

mod architecture;
mod background_runtime;
mod bad_input;
mod bulk;
mod changes;
mod command_line;
mod concurrency;
mod contracts;
mod durability;
mod files;
mod graphql;
mod graphql_http;
mod graphql_limits;
mod health;
mod http_behaviour;
mod idempotency;
mod interfaces_agree;
mod metrics;
mod paging;
mod preconditions;
mod prometheus;
mod readme;
mod rest;
mod startup;
mod stock;
mod streaming;
mod third_party_clients;
mod traces;
mod websocket;
