//! Integration tests. Most of them run the compiled server, once with SQLite and once with PostgreSQL.
//! All tests are in one test binary, because each additional binary would have to be linked separately.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot continue must fail")]

#[macro_use]
mod harness;

mod access;
mod access_log;
mod architecture;
mod audit_log;
mod background_runtime;
mod backup;
mod bad_input;
mod batched_writes;
mod browsers;
mod bulk;
mod changes;
mod command_line;
mod concurrency;
mod contracts;
mod cors;
mod csv;
mod demo;
mod doctor;
mod documents;
mod downloads;
mod durability;
mod encodings;
mod event_stream;
mod files;
mod filters;
mod glossary;
mod graphql;
mod graphql_documents;
mod graphql_http;
mod graphql_inputs;
mod graphql_limits;
mod health;
mod http_behaviour;
mod http_requests;
mod idempotency;
mod idempotency_graphql;
mod interfaces_agree;
mod json_web_tokens;
mod limits;
mod log_rate;
mod metrics;
mod openapi;
mod outages;
mod paging;
mod preconditions;
mod prometheus;
mod replicas;
mod request_rate;
mod rest;
mod routes;
mod several_hosts;
mod shares;
mod startup;
mod stock;
mod streaming;
mod third_party_clients;
mod traces;
mod unread_responses;
mod websocket;
