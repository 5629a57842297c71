//! Requests of REST that may have an idempotency key.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, header, request::Parts},
    response::Response,
};

use super::prefer::PREFER;
use crate::{
    catalog::{Catalog, Writer},
    domain::{Idempotency, IdempotencyKey},
    http::{
        idempotency::{RequestDigest, execute_once, read_key},
        limits::stored_responses::StoredResponses,
        problem::Problem,
        request_body::BodyReader,
        stored_response::StoredResponse,
    },
};

/// Idempotency key of a request, and a digest of its method, target and relevant headers. `None` if the
/// request has no key.
pub struct IdempotentRequest(Option<(IdempotencyKey, RequestDigest, StoredResponses)>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotentRequest
where
    BodyReader: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Some(key) = read_key(&parts.headers)? else {
            return Ok(Self(None));
        };
        let mut digest = RequestDigest::default();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        digest.add(parts.method.as_str().as_bytes());
        digest.add(target.as_bytes());
        for name in [header::CONTENT_TYPE, header::IF_MATCH, PREFER] {
            digest.add(parts.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
        }
        // Other builds, whose stored responses must stay valid, do not add an absent header.
        if let Some(versions) = parts.headers.get(header::IF_NONE_MATCH) {
            digest.add(versions.as_bytes());
        }
        let stored = BodyReader::from_ref(state).stored_responses().clone();
        Ok(Self(Some((key, digest, stored))))
    }
}

impl IdempotentRequest {
    /// Runs `work` and stores its response, or returns the response stored for the same key.
    ///
    /// `body` is the request's body or its digest. It detects that a key is reused for another request.
    /// Without a key, `work` runs directly and its response is not stored.
    ///
    /// # Errors
    /// Returns the problem of `work`. Returns a 409 problem if a request with this key is in progress, and a
    /// 422 problem if the key was used for a different request.
    pub async fn execute<F>(
        self,
        catalog: Catalog,
        body: &[u8],
        work: impl FnOnce(Writer) -> F + Send + 'static,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Response, Problem>> + Send,
    {
        let Some((key, mut digest, stored)) = self.0 else {
            return work(Writer::Catalog(catalog)).await;
        };
        digest.add(body);
        let request = Idempotency { key, fingerprint: digest.finish() };
        let work = async move |writer| to_stored(work(writer).await).await;
        // Boxing keeps the future small for the many requests without a key.
        Box::pin(execute_once(catalog, stored, request, work)).await
    }
}

/// Returns the response to store, or the problem if it is a server error. Server errors are not stored, so
/// that a retry executes the request again.
async fn to_stored(result: Result<Response, Problem>) -> Result<StoredResponse, Problem> {
    match result {
        Ok(response) => Ok(StoredResponse::from_response(response).await?),
        Err(problem) if problem.status().is_server_error() => Err(problem),
        Err(problem) => Ok(StoredResponse::Problem(problem)),
    }
}
