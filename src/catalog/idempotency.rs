//! Idempotency keys: a request that is sent again is carried out once (IETF draft "The Idempotency-Key HTTP
//! Header Field"). The response is stored in the transaction of the work, so both exist or neither does.

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

use super::{Catalog, Error};
use crate::database::Kind;

/// Client's name for a request: 1 to 255 visible ASCII characters without quotation marks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Validates a key.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the length or a character is not allowed.
    pub fn new(text: &str) -> Result<Self, Error> {
        let valid = (1..=255).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        let rule = "must be 1 to 255 visible ASCII characters without quotation marks";
        if valid { Ok(Self(text.to_owned())) } else { Err(Error::invalid("Idempotency-Key", rule)) }
    }
}

/// Digest of everything that identifies a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Identity of a request that may be sent again.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Key sent by the client.
    pub key: IdempotencyKey,
    /// Digest of the request, which detects the use of one key for two requests.
    pub fingerprint: Fingerprint,
}

/// Response to a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentResponse {
    /// Result of the work.
    pub response: String,
    /// Whether the response was stored by an earlier request.
    pub replayed: bool,
}

/// Keys of the requests in progress in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct ActiveKeys(Arc<Mutex<HashSet<IdempotencyKey>>>);

impl ActiveKeys {
    fn keys(&self) -> MutexGuard<'_, HashSet<IdempotencyKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the key until the guard is dropped. Returns `None` if it is already in the set.
    fn enter(&self, key: &IdempotencyKey) -> Option<ActiveKeyGuard> {
        self.keys().insert(key.clone()).then(|| ActiveKeyGuard(self.clone(), key.clone()))
    }
}

/// Removes its key from the active keys when dropped.
struct ActiveKeyGuard(ActiveKeys, IdempotencyKey);

impl Drop for ActiveKeyGuard {
    fn drop(&mut self) {
        self.0.keys().remove(&self.1);
    }
}

/// Detects a request with the same key on another instance. The lock is released when the transaction ends.
const LOCK_POSTGRESQL: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7264819303))";

impl Catalog {
    /// Runs `work` unless this request has already succeeded, and returns its response. A request whose work
    /// failed may be sent again.
    ///
    /// # Errors
    /// Returns the error of `work`, [`Error::KeyReused`], [`Error::KeyInUse`], or a database error.
    pub async fn execute_once<E, F>(
        &self,
        request: Idempotency,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<IdempotentResponse, E>
    where
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<String, E>> + Send,
    {
        let guard = self.0.active_keys.enter(&request.key).ok_or(Error::KeyInUse)?;
        self.in_transaction(async move |catalog: Self| {
            let _guard = guard;
            if let Some(response) = catalog.stored_response(&request).await? {
                return Ok(IdempotentResponse { response, replayed: true });
            }
            let response = work(catalog.clone()).await?;
            catalog.store_response(request, response.clone()).await?;
            Ok(IdempotentResponse { response, replayed: false })
        })
        .await
    }

    /// Returns the response stored for this request, or `None` if the request is new.
    async fn stored_response(&self, request: &Idempotency) -> Result<Option<String>, Error> {
        let database = self.0.database.writes();
        let Idempotency { key, fingerprint } = request;
        if self.0.database.kind() == Kind::PostgreSql {
            let backend = database.get_database_backend();
            let lock = Statement::from_sql_and_values(backend, LOCK_POSTGRESQL, [key.0.clone().into()]);
            let row = database.query_one_raw(lock).await?.ok_or(Error::Internal)?;
            if !row.try_get_by_index::<bool>(0)? {
                return Err(Error::KeyInUse);
            }
        }
        let stored = idempotency_key::Entity::find_by_id(key.0.clone())
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
            key: Set(request.key.0),
            fingerprint: Set(request.fingerprint.0.to_vec()),
            response: Set(response),
            created_at: Set(now()),
        };
        // A row that still exists has expired.
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

/// Returns the current time in seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Returns the time, in seconds since 1970, at or before which a response has expired.
fn expired_at(retention: Duration) -> i64 {
    now().saturating_sub(i64::try_from(retention.as_secs()).unwrap_or(i64::MAX))
}
