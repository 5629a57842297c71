//! Requests that are carried out once, however often they are sent. The response is stored in the same
//! transaction as the changes, so that either both are stored or neither.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{Catalog, Transaction};
use crate::{
    domain::{Error, Idempotency, IdempotencyKey, IdempotentResponse},
    store::KeyState,
};

/// Keys of the requests in progress in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct ActiveKeys(Arc<Mutex<HashSet<IdempotencyKey>>>);

impl ActiveKeys {
    fn keys(&self) -> MutexGuard<'_, HashSet<IdempotencyKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the key and returns a guard that removes it. Returns `None` if the key is already in use.
    fn enter(&self, key: &IdempotencyKey) -> Option<ActiveKeyGuard> {
        self.keys().insert(key.clone()).then(|| ActiveKeyGuard(self.clone(), key.clone()))
    }
}

/// Guard that removes its key from the active keys when it is dropped.
struct ActiveKeyGuard(ActiveKeys, IdempotencyKey);

impl Drop for ActiveKeyGuard {
    fn drop(&mut self) {
        self.0.keys().remove(&self.1);
    }
}

impl Catalog {
    /// Runs `work` and returns its response. If the request has already succeeded, returns the stored
    /// response instead. A request whose work failed may be sent again.
    ///
    /// # Errors
    /// Returns the error of `work`, [`Error::KeyReused`], [`Error::KeyInUse`], or a database error.
    pub async fn execute_once<E, F>(
        &self,
        request: Idempotency,
        work: impl FnOnce(Transaction) -> F + Send + 'static,
    ) -> Result<IdempotentResponse, E>
    where
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<String, E>> + Send,
    {
        let guard = self.inner.active_keys.enter(&request.key).ok_or(Error::KeyInUse)?;
        let created_after = expired_at(self.inner.options.idempotency_retention);
        self.in_transaction(async move |transaction: Transaction| {
            let _guard = guard;
            let Idempotency { key, fingerprint } = &request;
            let state = transaction.store.stored_response(key, created_after).await.map_err(Error::from)?;
            match state {
                KeyState::InUse => return Err(Error::KeyInUse.into()),
                KeyState::Stored { fingerprint: stored, .. } if stored != fingerprint.0 => {
                    return Err(Error::KeyReused.into());
                }
                KeyState::Stored { response, .. } => {
                    return Ok(IdempotentResponse { response, replayed: true });
                }
                KeyState::Unused => {}
            }
            let response = work(transaction.clone()).await?;
            let stored = transaction.store.store_response(key, fingerprint, response.clone(), now()).await;
            stored.map_err(Error::from)?;
            Ok(IdempotentResponse { response, replayed: false })
        })
        .await
    }

    /// Deletes the expired responses.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn prune_idempotency_keys(&self) -> Result<(), Error> {
        let expired = expired_at(self.inner.options.idempotency_retention);
        Ok(self.store().prune_idempotency_keys(expired).await?)
    }
}

/// Returns the current Unix time in seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Returns a Unix time in seconds. Responses created at or before this time have expired.
fn expired_at(retention: Duration) -> i64 {
    now().saturating_sub(i64::try_from(retention.as_secs()).unwrap_or(i64::MAX))
}
