//! Creation and end of API tokens.

use std::time::Duration;

use crate::{
    domain::{ApiToken, Error, Scopes, TokenDigest, TokenId, TokenName, new_token},
    store::{Store, TokenEnd},
    unix_time::now,
};

/// Creates and stores a token. Returns its text, which is stored nowhere. A token without a lifetime does not
/// expire.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn create(
    store: &dyn Store,
    name: TokenName,
    scopes: Scopes,
    lifetime: Option<Duration>,
) -> Result<(String, ApiToken), Error> {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let expires_at = lifetime.map(|lifetime| now().saturating_add(seconds(lifetime)));
    insert(store, name, scopes, expires_at).await
}

async fn insert(
    store: &dyn Store,
    name: TokenName,
    scopes: Scopes,
    expires_at: Option<i64>,
) -> Result<(String, ApiToken), Error> {
    let (text, id) = new_token(random()?, random()?);
    let digest = TokenDigest::of(text.as_bytes());
    let token = ApiToken {
        id,
        name,
        digest,
        scopes,
        created_at: now(),
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    store.insert_api_token(&token).await?;
    Ok((text, token))
}

/// Returns all tokens, also those that have ended, the oldest first.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(store: &dyn Store) -> Result<Vec<ApiToken>, Error> {
    Ok(store.api_tokens().await?)
}

/// Revokes a token. Running servers reject it within 5 seconds.
///
/// # Errors
/// Returns [`Error::Invalid`] if no such token exists, or a database error.
pub async fn revoke(store: &dyn Store, id: TokenId) -> Result<ApiToken, Error> {
    let token = find(store, id).await?;
    if token.revoked_at.is_none() {
        store.end_api_token(id, TokenEnd::Revoked(now())).await?;
    }
    Ok(token)
}

/// Creates a token with the name, the scopes and the expiry of another one, which ends after `grace`.
///
/// # Errors
/// Returns [`Error::Invalid`] if no such token exists or it has ended, or a database error.
pub async fn rotate(store: &dyn Store, id: TokenId, grace: Duration) -> Result<(String, ApiToken), Error> {
    let old = find(store, id).await?;
    if !old.is_valid(now()) {
        return Err(Error::invalid("id", "belongs to a token that has ended: create a new token"));
    }
    let new = insert(store, old.name.clone(), old.scopes, old.expires_at).await?;
    store.end_api_token(id, TokenEnd::Expires(old.end_after(now(), grace))).await?;
    Ok(new)
}

async fn find(store: &dyn Store, id: TokenId) -> Result<ApiToken, Error> {
    let token = store.api_tokens().await?.into_iter().find(|token| token.id == id);
    token.ok_or_else(|| Error::invalid("id", "does not exist: `stockmeter token list` shows all tokens"))
}

/// Returns random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Internal)?;
    Ok(bytes)
}
