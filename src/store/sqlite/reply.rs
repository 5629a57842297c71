//! Results that the writer thread sends to its callers.

use std::{panic::resume_unwind, thread, time::Instant};

use tokio::sync::oneshot;

use crate::store::StoreError;

/// Result of a unit of work with the time at which it began, or its panic.
pub(super) type Reply<T> = (thread::Result<Result<T, StoreError>>, Instant);

/// Waits for a reply, and resumes a panic of the work.
pub(super) async fn receive<T>(receiver: oneshot::Receiver<Reply<T>>) -> (Result<T, StoreError>, Instant) {
    match receiver.await {
        Ok((Ok(result), began)) => (result, began),
        Ok((Err(panic), _)) => resume_unwind(panic),
        Err(_) => (Err(StoreError::unavailable("the database is closed")), Instant::now()),
    }
}
