//! Where connections are opened: for life it is that runtime which hears what comes in on them. It is the one of requests, so
//! that those wait for no other, whoever had the connection opened.

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::runtime::Handle;

use crate::{panics, request_context::ContextSnapshot};

/// A runtime. Cheap to clone.
#[derive(Clone)]
pub(super) struct IoRuntime(Handle);

impl IoRuntime {
    /// The runtime under way.
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Does there what may open a connection, and to its end: a BEGIN that is given up on its way is not rolled back by sqlx.
    ///
    /// # Errors
    /// Those of the work, or that runtime has ended.
    pub async fn open<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DbErr>> + Send + 'static,
    ) -> Result<T, DbErr> {
        let cut_off = || Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        panics::resume_panic(self.0.spawn(ContextSnapshot::capture().scope(work)).await)
            .unwrap_or_else(cut_off)
    }
}
