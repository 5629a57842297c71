//! How many requests may be under way at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::problem::Problem;

/// Permits for requests.
#[derive(Clone)]
pub struct ConcurrencyLimits {
    /// For all but files.
    pub requests: Arc<Semaphore>,
    /// For files to be imported, which may take long to arrive: they leave the places of the others alone.
    files: Arc<Semaphore>,
}

impl ConcurrencyLimits {
    /// So many for requests, and a quarter as many for files.
    pub fn new(requests: u32) -> Self {
        let places =
            |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { requests: places(requests), files: places((requests / 4).max(1)) }
    }

    /// A place for a request, which may bring a file.
    ///
    /// # Errors
    /// All are taken.
    pub fn take(&self, is_file_upload: bool) -> Result<OwnedSemaphorePermit, Problem> {
        let places = if is_file_upload { &self.files } else { &self.requests };
        places.clone().try_acquire_owned().map_err(|_| Problem::overloaded())
    }
}
