//! Integration tests: the promises to users, verified on SQLite and PostgreSQL against the real binary.
//! All tests share one binary, because each further binary would be linked separately.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot continue must fail")]

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
mod glossary;
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
mod routes;
mod startup;
mod stock;
mod streaming;
mod third_party_clients;
mod traces;
mod websocket;
