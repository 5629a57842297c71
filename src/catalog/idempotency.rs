//! Requests that are carried out once, however often they are sent. The response is stored in the same
//! transaction as the changes, so that either both are stored or neither.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use entity::idempotency_key;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::OnConflict,
};

use super::{Catalog, Products};
use crate::{
    database::Kind,
    domain::{Error, Idempotency, IdempotencyKey, IdempotentResponse},
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

/// Tries to lock the key, which fails if another instance is processing a request with the same key. The
/// lock is released at the end of the transaction.
const LOCK_POSTGRESQL: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7264819303))";

impl Catalog {
    /// Runs `work` and returns its response. If the request has already succeeded, returns the stored
    /// response instead. A request whose work failed may be sent again.
    ///
    /// # Errors
    /// Returns the error of `work`, [`Error::KeyReused`], [`Error::KeyInUse`], or a database error.
    pub async fn execute_once<E, F>(
        &self,
        request: Idempotency,
        work: impl FnOnce(Products) -> F + Send + 'static,
    ) -> Result<IdempotentResponse, E>
    where
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<String, E>> + Send,
    {
        let guard = self.inner.active_keys.enter(&request.key).ok_or(Error::KeyInUse)?;
        self.in_transaction(async move |products: Products| {
            let _guard = guard;
            if let Some(response) = products.stored_response(&request).await? {
                return Ok(IdempotentResponse { response, replayed: true });
            }
            let response = work(products.clone()).await?;
            products.store_response(request, response.clone()).await?;
            Ok(IdempotentResponse { response, replayed: false })
        })
        .await
    }
}

impl Products {
    /// Returns the response stored for this request, or `None` if the request is new.
    async fn stored_response(&self, request: &Idempotency) -> Result<Option<String>, Error> {
        let database = self.0.database.writes();
        let Idempotency { key, fingerprint } = request;
        if self.0.database.kind() == Kind::PostgreSql {
            let backend = database.get_database_backend();
            let lock = Statement::from_sql_and_values(backend, LOCK_POSTGRESQL, [key.as_str().into()]);
            let row = database.query_one_raw(lock).await?.ok_or(Error::Internal)?;
            if !row.try_get_by_index::<bool>(0)? {
                return Err(Error::KeyInUse);
            }
        }
        let stored = idempotency_key::Entity::find_by_id(key.as_str())
            .filter(idempotency_key::Column::CreatedAt.gt(expired_at(self.0.options.idempotency_retention)))
            .one(database)
            .await?;
        match stored {
            Some(stored) if stored.fingerprint != fingerprint.0 => Err(Error::KeyReused),
            stored => Ok(stored.map(|stored| stored.response)),
        }
    }

    async fn store_response(&self, request: Idempotency, response: String) -> Result<(), Error> {
        use idempotency_key::Column::{CreatedAt, Fingerprint, Key, Response};
        let row = idempotency_key::ActiveModel {
            key: Set(request.key.as_str().to_owned()),
            fingerprint: Set(request.fingerprint.0.to_vec()),
            response: Set(response),
            created_at: Set(now()),
        };
        // An existing row with this key has expired.
        let replace = OnConflict::column(Key).update_columns([Fingerprint, Response, CreatedAt]).to_owned();
        let insert = idempotency_key::Entity::insert(row).on_conflict(replace);
        insert.exec_without_returning(self.0.database.writes()).await?;
        Ok(())
    }

    /// Deletes the expired responses.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn prune_idempotency_keys(&self) -> Result<(), Error> {
        let expired = expired_at(self.0.options.idempotency_retention);
        let expired = idempotency_key::Column::CreatedAt.lte(expired);
        idempotency_key::Entity::delete_many().filter(expired).exec(self.0.database.writes()).await?;
        Ok(())
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
