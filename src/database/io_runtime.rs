//! Opens connections on the runtime that serves requests. The runtime that opens a connection always drives
//! its I/O. Connections opened by background work would otherwise depend on the background runtime.

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::runtime::Handle;

use crate::{panics, request_context::ContextSnapshot};

/// The runtime on which connections are opened. Cheap to clone.
#[derive(Clone)]
pub(super) struct IoRuntime(Handle);

impl IoRuntime {
    /// Returns the current runtime.
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// Runs `work`, which may open a connection, in a task and returns its result. The task completes even if
    /// the caller is dropped, because sqlx does not roll back a BEGIN whose future is dropped.
    ///
    /// # Errors
    /// Returns the error of `work`, or a [`DbErr`] if the runtime has shut down.
    pub async fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DbErr>> + Send + 'static,
    ) -> Result<T, DbErr> {
        let runtime_stopped = || Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        panics::resume_panic(self.0.spawn(ContextSnapshot::capture().scope(work)).await)
            .unwrap_or_else(runtime_stopped)
    }
}
