//! Requests that wait for a shared statement, and its result.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::{
    domain::Error,
    panics,
    request_context::{self, ContextSnapshot},
};

/// Result of a shared statement, and its timing.
pub(in crate::catalog) type SharedResult<T> = (Result<T, Error>, Timing);

/// Start time and run time of a statement.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct Timing {
    started_at: Instant,
    run_time: Duration,
}

/// Handle to a request that waits for a shared statement.
pub(in crate::catalog) struct Waiter<T> {
    sender: oneshot::Sender<SharedResult<T>>,
    /// Context of the request. A shared statement runs in the context of its first waiter.
    pub context: ContextSnapshot,
}

impl<T> Waiter<T> {
    /// Returns a waiter for the current request, and the receiver of its result.
    pub fn new() -> (Self, oneshot::Receiver<SharedResult<T>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, context: ContextSnapshot::capture_shared() }, receiver)
    }

    /// Returns whether the request still waits.
    pub fn is_waiting(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends the result to the request, which may have been dropped.
    pub fn complete(self, result: Result<T, Error>, timing: Timing) {
        drop(self.sender.send((result, timing)));
    }

    /// Returns the received result. Adds the run time of the statement and the time in the queue to the
    /// database usage of the current request.
    pub fn finish(
        received: Result<SharedResult<T>, oneshot::error::RecvError>,
        enqueued_at: Instant,
    ) -> Result<T, Error> {
        let dropped =
            |_| (Err(Error::Unavailable), Timing { started_at: Instant::now(), run_time: Duration::ZERO });
        let (result, timing) = received.unwrap_or_else(dropped);
        request_context::record_statement(timing.run_time);
        request_context::record_acquire_wait(timing.started_at.saturating_duration_since(enqueued_at));
        result
    }
}

/// Runs a shared statement in the context of one of its requests, with a timeout.
pub(in crate::catalog) async fn run_shared<T>(
    context: ContextSnapshot,
    timeout: Duration,
    work: impl Future<Output = T>,
) -> SharedResult<T> {
    let started_at = Instant::now();
    let work = async {
        match tokio::time::timeout(timeout, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(result) => result.map_err(|panic| log_panic(&*panic)),
            Err(_) => Err(Error::Unavailable),
        }
    };
    let result = context.scope(work).await;
    (result, Timing { started_at, run_time: started_at.elapsed() })
}

fn log_panic(panic: &(dyn Any + Send)) -> Error {
    tracing::error!(panic = panics::panic_message(panic), "a shared statement panicked");
    Error::Internal
}
