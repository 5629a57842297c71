//! Tokio's runtime.

use std::{env, pin::Pin, thread};

/// Tokio's variable for the number of threads. Tokio does not read it if the runtime builder sets that
/// number.
const WORKER_THREADS_VAR: &str = "TOKIO_WORKER_THREADS";

/// Runs a future on a new runtime.
///
/// # Errors
/// Returns a message if [`WORKER_THREADS_VAR`] is invalid, or if no thread can be started.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    // Without the box, the future would be compiled for each kind of scheduler.
    let future: Pin<Box<dyn Future<Output = T> + '_>> = Box::pin(future);
    let workers = worker_threads()?;
    // A single thread does not need the work-stealing scheduler.
    let mut runtime = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(workers).thread_name("requests").enable_all().build();
    Ok(runtime.map_err(|error| format!("cannot start the runtime: {error}"))?.block_on(future))
}

/// Returns the number of threads that serve requests: one fewer than cores, at least one, unless
/// [`WORKER_THREADS_VAR`] is set.
///
/// One core remains free for the database, the kernel and the [`background_runtime`]. If workers compete with
/// them, tasks move between threads, and a request takes a fifth more time.
///
/// [`background_runtime`]: crate::background_runtime
fn worker_threads() -> Result<usize, String> {
    let Some(value) = env::var_os(WORKER_THREADS_VAR).filter(|value| !value.is_empty()) else {
        return Ok(thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)));
    };
    let number = value.to_str().and_then(|value| value.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("{WORKER_THREADS_VAR} must be a whole number, at least 1"))
}
