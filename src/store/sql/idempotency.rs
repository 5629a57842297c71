//! Statements on the responses stored for idempotency keys.

use entity::idempotency_key::{
    self,
    Column::{CreatedAt, Fingerprint as FingerprintColumn, Key, Response},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Statement,
    sea_query::OnConflict,
};

use uuid::Uuid;

use crate::domain::{Fingerprint, IdempotencyKey};

const WRITE_ATTEMPT_KEY: &str = "write attempt";

/// Returns a statement that selects the fingerprint and response of a key.
pub(in crate::store) fn select(key: &IdempotencyKey, created_after: i64, backend: DbBackend) -> Statement {
    let query = idempotency_key::Entity::find_by_id(key.as_str()).filter(CreatedAt.gt(created_after));
    query.select_only().column(FingerprintColumn).column(Response).build(backend)
}

/// Returns a statement that stores a response. An existing row with this key has expired and is replaced.
pub(in crate::store) fn insert(
    key: &IdempotencyKey,
    fingerprint: &Fingerprint,
    response: String,
    created_at: i64,
    backend: DbBackend,
) -> Statement {
    upsert((key.as_str().to_owned(), fingerprint.0.to_vec(), response, created_at), backend)
}

fn upsert(
    (key, fingerprint, response, created_at): (String, Vec<u8>, String, i64),
    backend: DbBackend,
) -> Statement {
    let row = idempotency_key::ActiveModel {
        key: Set(key),
        fingerprint: Set(fingerprint),
        response: Set(response),
        created_at: Set(created_at),
    };
    let replace = OnConflict::column(Key).update_columns([FingerprintColumn, Response, CreatedAt]).to_owned();
    idempotency_key::Entity::insert(row).on_conflict(replace).build(backend)
}

/// Returns a statement that stores an expired response, to try whether writes work. The key has a character
/// that no client can send. The response differs each time, because SQLite does not write what has not changed.
pub(in crate::store) fn attempt(backend: DbBackend) -> Statement {
    let row = (WRITE_ATTEMPT_KEY.to_owned(), Vec::new(), Uuid::new_v4().to_string(), 0);
    upsert(row, backend)
}

/// Returns a statement that deletes the responses created at or before a Unix time in seconds.
pub(in crate::store) fn prune(created_until: i64, backend: DbBackend) -> Statement {
    idempotency_key::Entity::delete_many().filter(CreatedAt.lte(created_until)).build(backend)
}
