//! Work of several statements: all of it lasts, or nothing.

use super::{Catalog, Error};
use crate::{panics, request_context::ContextSnapshot};

impl Catalog {
    /// Does the work in a transaction; what it does with the catalog that it is given lasts only if it succeeds.
    ///
    /// It has a task of its own: when a client leaves, its request is dropped, and a transaction that is dropped
    /// on its way may leave its connection unusable.
    pub(super) async fn atomically<T, E, F>(
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
            let done = match work(catalog.over(database)).await {
                Ok(done) => done,
                Err(error) => {
                    // Before the answer, which a client may take for the end of all locks. Where it fails, the connection
                    // is lost, and the transaction with it.
                    let _ = transaction.roll_back().await;
                    return Err(error);
                }
            };
            transaction.commit().await.map_err(Error::from)?;
            catalog.0.feed.changed();
            Ok(done)
        };
        let done = tokio::spawn(ContextSnapshot::capture().scope(task)).await;
        panics::resume_panic(done).unwrap_or_else(|| Err(Error::Unavailable.into()))
    }
}
