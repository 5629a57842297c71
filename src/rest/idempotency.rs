//! `Idempotency-Key` (IETF draft): a request that comes again gets the answer of the first time.

use axum::{
    body::{Body, to_bytes},
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    catalog::{Catalog, Error, Fingerprint, Idempotency, IdempotencyKey, IdempotentResponse},
    http::problem::Problem,
};

/// Names a request that may come again.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key of a request, if it has one, and a digest of its head.
pub struct Repeatable(Option<(IdempotencyKey, Sha256)>);

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else {
            return Ok(Self(None));
        };
        if keys.next().is_some() {
            return Err(Problem::malformed("Idempotency-Key can be given only once"));
        }
        let text = key.to_str().unwrap_or_default();
        // A string of RFC 9651, as the draft wants it, or bare, as most clients send it.
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let key = IdempotencyKey::new(text)?;
        let mut digest = Sha256::new();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        add(&mut digest, parts.method.as_str().as_bytes());
        add(&mut digest, target.as_bytes());
        for name in [header::CONTENT_TYPE, header::IF_MATCH, super::prefer::PREFER] {
            add(&mut digest, parts.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
        }
        Ok(Self(Some((key, digest))))
    }
}

/// Adds a part so that it can't run into the next one.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_le_bytes());
    digest.update(part);
}

impl Repeatable {
    /// Does the work, unless it was done before. `body` tells it from other work: the body or a digest of it.
    ///
    /// # Errors
    /// Of the work, or of the key.
    pub async fn once<F>(
        self,
        catalog: Catalog,
        body: &[u8],
        work: impl FnOnce(Catalog) -> F + Send + 'static,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Response, Problem>> + Send,
    {
        let Some((key, mut digest)) = self.0 else {
            return work(catalog).await;
        };
        add(&mut digest, body);
        let request = Idempotency { key, fingerprint: Fingerprint(digest.finalize().into()) };
        let keep = async move |catalog| Answer::of(work(catalog).await).await;
        // Boxed: most requests have no key.
        let IdempotentResponse { answer, replayed } = Box::pin(catalog.execute_once(request, keep)).await?;
        let answer: Answer = serde_json::from_str(&answer).map_err(|_| Error::Internal)?;
        let mut response = answer.into_response();
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
enum Answer {
    Done { status: u16, headers: Vec<(String, String)>, body: String },
    Refused(Problem),
}

impl Answer {
    /// Failures of ours are not kept: the request can be tried again.
    async fn of(result: Result<Response, Problem>) -> Result<String, Problem> {
        let answer = match result {
            Err(problem) if problem.status().is_server_error() => return Err(problem),
            Err(problem) => Self::Refused(problem),
            Ok(response) => {
                let (head, body) = response.into_parts();
                let body = to_bytes(body, usize::MAX).await.map_err(|_| Error::Internal)?;
                let headers = head.headers.iter().filter_map(|(name, value)| {
                    Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
                });
                Self::Done {
                    status: head.status.as_u16(),
                    headers: headers.collect(),
                    body: String::from_utf8(body.into()).map_err(|_| Error::Internal)?,
                }
            }
        };
        serde_json::to_string(&answer).map_err(|_| Error::Internal.into())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, headers, body) = match self {
            Self::Refused(problem) => return problem.into_response(),
            Self::Done { status, headers, body } => (status, headers, body),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}
