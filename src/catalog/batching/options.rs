//! Options of a batcher.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::domain::ProductId;

/// Number of batches that run at the same time.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct Workers {
    /// Normal number.
    pub target: usize,
    /// Number allowed while some batches are slow.
    pub max: usize,
}

/// Limits of a batch.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct BatchLimit<Req> {
    /// Weight of one request.
    pub weight: fn(&Req) -> usize,
    /// Maximum total weight of a batch; a single heavier request forms its own batch.
    pub max: usize,
    /// Timeout of a batch. It ends batches that hang on a lost connection, which would otherwise block later
    /// requests.
    pub timeout: Duration,
}

impl<Req> BatchLimit<Req> {
    /// Returns a limit of `max` requests.
    pub fn requests(max: usize, timeout: Duration) -> Self {
        Self { weight: |_| 1, max, timeout }
    }
}

/// Requests that may share a batch. The key is the product that a request changes.
pub(in crate::catalog) enum Grouping<Req> {
    /// All requests.
    Any,
    /// All requests, but no two batches with the same key run at the same time, so that requests for one
    /// product do not wait for locks of each other.
    Exclusive(fn(&Req) -> ProductId),
    /// Only requests with the same key. No two batches with the same key run at the same time.
    PerKey(fn(&Req) -> ProductId),
}

impl<Req> Grouping<Req> {
    pub fn key(&self, request: &Req) -> Option<ProductId> {
        match self {
            Self::Any => None,
            Self::Exclusive(key) | Self::PerKey(key) => Some(key(request)),
        }
    }
}

/// Runtime on which workers are started.
pub(in crate::catalog) enum SpawnOn {
    /// A fixed runtime. It keeps short batches off the background runtime, even if a task of that runtime
    /// submits them.
    Runtime(Handle),
    /// The runtime of the request that starts the worker.
    Current,
}

impl SpawnOn {
    pub fn spawn(&self, worker: BoxFuture<'static, ()>) {
        match self {
            Self::Runtime(runtime) => drop(runtime.spawn(worker)),
            Self::Current => drop(tokio::spawn(worker)),
        }
    }
}
