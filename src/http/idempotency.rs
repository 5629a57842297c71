//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), which makes a request safe to repeat.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::{limits::stored_responses::StoredResponses, problem::Problem, stored_response::StoredResponse};
use crate::{
    catalog::{Catalog, Writer},
    domain::{Error, Fingerprint, Idempotency, IdempotencyKey, IdempotentResponse},
    request_context,
};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Header of a response that was stored for an earlier request.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Returns the idempotency key of a request, which belongs to its caller, or `None` if the request has no key.
///
/// # Errors
/// Returns a 400 problem for several keys, and a 422 problem for an invalid key.
pub fn read_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(Problem::malformed("Idempotency-Key must be given only once"));
    }
    let text = key.to_str().unwrap_or_default();
    // The draft requires a quoted string (RFC 9651), but most clients send the key without quotes.
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let key = IdempotencyKey::new(text)?;
    Ok(Some(match request_context::caller() {
        Some(caller) => key.of(caller.identity()),
        None => key,
    }))
}

/// Digest of the parts of a request that a repetition must have, too.
#[derive(Default)]
pub struct RequestDigest(Sha256);

impl RequestDigest {
    /// Adds the length of a part and the part itself. The length separates the part from the next one.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Returns the fingerprint of the parts.
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

/// Runs `work` in a transaction and stores its response, or returns the response stored for the same key.
///
/// # Errors
/// Returns the error of `work`, [`Error::KeyInUse`], [`Error::KeyReused`], [`Error::TooManyStoredResponses`], or a
/// database error.
pub async fn execute_once<E, F>(
    catalog: Catalog,
    stored: StoredResponses,
    request: Idempotency,
    work: impl FnOnce(Writer) -> F + Send + 'static,
) -> Result<Response, E>
where
    E: From<Error> + Send + 'static,
    F: Future<Output = Result<StoredResponse, E>> + Send,
{
    let work = async move |transaction| {
        let response = work(Writer::Transaction(transaction)).await?;
        let response = serde_json::to_string(&response).map_err(|_| Error::Internal)?;
        stored.store(response.len())?;
        Ok::<_, E>(response)
    };
    let IdempotentResponse { response, replayed } = catalog.execute_once(request, work).await?;
    let stored: StoredResponse = serde_json::from_str(&response).map_err(|_| Error::Internal)?;
    let mut response = stored.into_response();
    if replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
