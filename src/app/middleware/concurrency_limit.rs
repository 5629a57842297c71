//! Limits the number of concurrent requests.

use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    app::routes::{Concurrency, Route},
    formats::Format,
    http::{media_type::media_type, problem::Problem},
};

/// Permits for requests and for imports.
#[derive(Clone)]
pub struct ConcurrencyLimits {
    pub requests: Arc<Semaphore>,
    /// Separate from `requests`, because files may take long to arrive.
    imports: Arc<Semaphore>,
}

impl ConcurrencyLimits {
    /// Creates `requests` permits for requests, and a quarter as many for imports, at least one.
    pub fn new(requests: u32) -> Self {
        let permits =
            |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { requests: permits(requests), imports: permits((requests / 4).max(1)) }
    }

    /// Takes and returns a permit, or returns `None` if the route needs no permit.
    ///
    /// # Errors
    /// Returns a 503 problem if all permits are taken.
    pub fn try_acquire(
        &self,
        route: Option<&Route>,
        is_import: bool,
    ) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if route.is_none_or(|route| route.concurrency == Concurrency::Unlimited) {
            return Ok(None);
        }
        let permits = if is_import { &self.imports } else { &self.requests };
        permits.clone().try_acquire_owned().map(Some).map_err(|_| Problem::overloaded())
    }
}

/// Returns whether a request uploads a file to import.
pub fn is_import(route: Option<&Route>, headers: &HeaderMap) -> bool {
    route.is_some_and(|route| route.concurrency == Concurrency::RequestsOrImports)
        && media_type(headers).and_then(Format::from_media_type).is_some_and(|format| format != Format::Json)
}
