//! Statements shared by requests that wait at the same time.

pub(super) mod batcher;
pub(super) mod coalescer;
pub(super) mod create_batch;
pub(super) mod options;
pub(super) mod waiter;
pub(super) mod write_batch;
