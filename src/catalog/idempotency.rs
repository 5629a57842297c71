//! Requests that may come more than once and are carried out once (IETF draft "The Idempotency-Key HTTP Header
//! Field"): the answer is kept in the transaction of the work, so that neither is there without the other.

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

/// What a client names a request by: 1 to 255 visible ASCII characters but quotes, a new one for each request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(text: &str) -> Result<Self, Error> {
        let valid = (1..=255).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        let rule = "must have 1 to 255 visible ASCII characters, none of them a quote";
        if valid { Ok(Self(text.to_owned())) } else { Err(Error::invalid("Idempotency-Key", rule)) }
    }
}

/// A digest of all of a request that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// A request that may come again.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Its name.
    pub key: IdempotencyKey,
    /// What it is, so that a key that names two is noticed.
    pub fingerprint: Fingerprint,
}

/// The answer to such a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentResponse {
    /// As the work gave it.
    pub answer: String,
    /// Whether the work had been done before.
    pub replayed: bool,
}

/// The keys of the requests under way in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct ActiveKeys(Arc<Mutex<HashSet<IdempotencyKey>>>);

impl ActiveKeys {
    fn keys(&self) -> MutexGuard<'_, HashSet<IdempotencyKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, key: &IdempotencyKey) -> Option<ActiveKeyGuard> {
        self.keys().insert(key.clone()).then(|| ActiveKeyGuard(self.clone(), key.clone()))
    }
}

/// A place among the requests under way, until it is dropped.
struct ActiveKeyGuard(ActiveKeys, IdempotencyKey);

impl Drop for ActiveKeyGuard {
    fn drop(&mut self) {
        self.0.keys().remove(&self.1);
    }
}

/// Held until the transaction ends, whichever copy of the server it is of, and however it ends.
const LOCK_POSTGRESQL: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7264819303))";

impl Catalog {
    /// Does the work unless it was done for this request before, and returns its answer. Work that fails has not
    /// been done.
    ///
    /// # Errors
    /// An error of the work, [`Error::KeyReused`], [`Error::KeyInUse`], or the database fails.
    pub async fn execute_once<E, F>(
        &self,
        request: Idempotency,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<IdempotentResponse, E>
    where
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<String, E>> + Send,
    {
        let place = self.0.under_way.enter(&request.key).ok_or(Error::KeyInUse)?;
        self.atomically(async move |catalog: Self| {
            let _place = place;
            if let Some(answer) = catalog.known(&request).await? {
                return Ok(IdempotentResponse { answer, replayed: true });
            }
            let answer = work(catalog.clone()).await?;
            catalog.remember(request, answer.clone()).await?;
            Ok(IdempotentResponse { answer, replayed: false })
        })
        .await
    }

    async fn known(&self, request: &Idempotency) -> Result<Option<String>, Error> {
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
        let known = idempotency_key::Entity::find_by_id(key.0.clone())
            .filter(idempotency_key::Column::CreatedAt.gt(oldest(self.0.rules.idempotency_retention)))
            .one(database)
            .await?;
        match known {
            Some(known) if known.fingerprint != fingerprint.0 => Err(Error::KeyReused),
            known => Ok(known.map(|known| known.answer)),
        }
    }

    async fn remember(&self, request: Idempotency, answer: String) -> Result<(), Error> {
        use idempotency_key::Column::{Answer, CreatedAt, Fingerprint, Key};
        let row = idempotency_key::ActiveModel {
            key: Set(request.key.0),
            fingerprint: Set(request.fingerprint.0.to_vec()),
            answer: Set(answer),
            created_at: Set(now()),
        };
        // One that is there is too old to count.
        let replace = OnConflict::column(Key).update_columns([Fingerprint, Answer, CreatedAt]).to_owned();
        let insert = idempotency_key::Entity::insert(row).on_conflict(replace);
        insert.exec_without_returning(self.0.database.writes()).await?;
        Ok(())
    }

    /// Deletes the answers that are too old to count.
    ///
    /// # Errors
    /// The database fails.
    pub async fn prune_idempotency_keys(&self) -> Result<(), Error> {
        let old = idempotency_key::Column::CreatedAt.lte(oldest(self.0.rules.idempotency_retention));
        idempotency_key::Entity::delete_many().filter(old).exec(self.0.database.writes()).await?;
        Ok(())
    }
}

/// In seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn oldest(retention: Duration) -> i64 {
    now().saturating_sub(i64::try_from(retention.as_secs()).unwrap_or(i64::MAX))
}
