//! Transactions of several statements.

use super::Products;
use crate::{domain::Error, panics, request_context::ContextSnapshot};

impl Products {
    /// Runs `work` in a transaction and returns its result. The transaction is committed only if `work`
    /// succeeds.
    ///
    /// The transaction runs in its own task, because a request is dropped if its client disconnects. Dropping
    /// a transaction while it begins could leave its pooled connection unusable.
    pub(super) async fn in_transaction<T, E, F>(
        &self,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let catalog = self.clone();
        let task = async move {
            let (database, transaction) = catalog.0.database.begin().await.map_err(Error::from)?;
            let value = match work(catalog.for_transaction(database)).await {
                Ok(value) => value,
                Err(error) => {
                    // The rollback releases the locks before the client gets the error. If it fails, the
                    // connection is closed, which also ends the transaction.
                    let _ = transaction.roll_back().await;
                    return Err(error);
                }
            };
            transaction.commit().await.map_err(Error::from)?;
            catalog.0.feed.notify_changed();
            Ok(value)
        };
        let result = tokio::spawn(ContextSnapshot::capture().scope(task)).await;
        panics::resume_panic(result).unwrap_or_else(|| Err(Error::Unavailable.into()))
    }
}
