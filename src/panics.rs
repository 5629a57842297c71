//! Panic messages, and panics of joined tasks.

use std::{any::Any, panic::resume_unwind};

use tokio::task::JoinError;

/// Returns the message of a panic, or a placeholder if the payload is not a string.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let message = panic.downcast_ref::<&str>().copied();
    message.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// Returns the output of a joined task, or `None` if the task was cancelled.
///
/// # Panics
/// Resumes the task's panic.
pub fn resume_panic<T>(joined: Result<T, JoinError>) -> Option<T> {
    match joined {
        Ok(output) => Some(output),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
