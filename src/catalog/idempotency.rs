//! Requests that are carried out once, however often they are sent. The response is stored in the same
//! transaction as the changes, so that either both are stored or neither.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Catalog, Transaction};
use crate::{
    domain::{Error, Idempotency, IdempotencyKey, IdempotentResponse},
    store::{KeyState, StoredResponse},
    unix_time::now,
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
        let created_after = expired_at(self.inner.options.idempotency_retention);
        let Some(guard) = self.inner.active_keys.enter(&request.key) else {
            return Ok(self.finished_response(&request, created_after).await?);
        };
        let repeated = request.clone();
        let result = self.in_transaction(async move |transaction: Transaction| {
            let _guard = guard;
            let Idempotency { key, fingerprint } = &request;
            let state = transaction.store.stored_response(key, created_after).await.map_err(Error::from)?;
            match state {
                KeyState::InUse => return Ok(None),
                KeyState::Stored(stored) => return Ok(Some(replay(&request, stored)?)),
                KeyState::Unused => {}
            }
            let response = work(transaction.clone()).await?;
            let stored = transaction.store.store_response(key, fingerprint, response.clone(), now()).await;
            stored.map_err(Error::from)?;
            Ok::<_, E>(Some(IdempotentResponse { response, replayed: false }))
        });
        match result.await? {
            Some(response) => Ok(response),
            // Another instance is processing a request with this key.
            None => Ok(self.finished_response(&repeated, created_after).await?),
        }
    }

    /// Returns the response of an earlier request, while another request with the same key is in progress.
    ///
    /// # Errors
    /// Returns [`Error::KeyInUse`] if no response is stored, or [`Error::KeyReused`].
    async fn finished_response(
        &self,
        request: &Idempotency,
        created_after: i64,
    ) -> Result<IdempotentResponse, Error> {
        let stored = self.store().finished_response(&request.key, created_after).await?;
        self.record_written();
        match stored {
            Some(stored) => replay(request, stored),
            None => Err(Error::KeyInUse),
        }
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

/// Returns the stored response to a repeated request.
///
/// # Errors
/// Returns [`Error::KeyReused`] if the response belongs to another request.
fn replay(request: &Idempotency, stored: StoredResponse) -> Result<IdempotentResponse, Error> {
    if stored.fingerprint != request.fingerprint.0 {
        return Err(Error::KeyReused);
    }
    Ok(IdempotentResponse { response: stored.response, replayed: true })
}

/// Returns a Unix time in seconds. Responses created at or before this time have expired.
fn expired_at(retention: Duration) -> i64 {
    now().saturating_sub(i64::try_from(retention.as_secs()).unwrap_or(i64::MAX))
}
