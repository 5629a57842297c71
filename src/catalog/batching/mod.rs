//! Requests that wait share statements.

pub(super) mod batcher;
pub(super) mod coalescer;
pub(super) mod create_batch;
pub(super) mod waiter;
