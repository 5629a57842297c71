//! What a panic said, whoever caught it, and panics of tasks.

use std::{any::Any, panic::resume_unwind};

use tokio::task::JoinError;

/// The panic's message, which is a text of one kind or the other unless somebody threw something else.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// What a task came to; none where it was cut off.
///
/// # Panics
/// Where the task did.
pub fn resume_panic<T>(done: Result<T, JoinError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
