//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), which makes a request safe to repeat.

use axum::{
    body::{Body, to_bytes},
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    catalog::{Catalog, Writer},
    domain::{Error, Fingerprint, Idempotency, IdempotencyKey, IdempotentResponse},
    http::problem::Problem,
};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Header of a response that was stored for an earlier request.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Idempotency key of a request, and a digest of its method, target and relevant headers. `None` if the
/// request has no key.
pub struct IdempotentRequest(Option<(IdempotencyKey, Sha256)>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotentRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else {
            return Ok(Self(None));
        };
        if keys.next().is_some() {
            return Err(Problem::malformed("Idempotency-Key must be given only once"));
        }
        let text = key.to_str().unwrap_or_default();
        // The draft requires a quoted string (RFC 9651), but most clients send the key without quotes.
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let key = IdempotencyKey::new(text)?;
        let mut digest = Sha256::new();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        add_part(&mut digest, parts.method.as_str().as_bytes());
        add_part(&mut digest, target.as_bytes());
        for name in [header::CONTENT_TYPE, header::IF_MATCH, super::prefer::PREFER] {
            add_part(&mut digest, parts.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
        }
        Ok(Self(Some((key, digest))))
    }
}

/// Adds the length of a part and the part itself. The length separates the part from the next one.
fn add_part(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_le_bytes());
    digest.update(part);
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
        let Some((key, mut digest)) = self.0 else {
            return work(Writer::Catalog(catalog)).await;
        };
        add_part(&mut digest, body);
        let request = Idempotency { key, fingerprint: Fingerprint(digest.finalize().into()) };
        let work = async move |products| {
            StoredResponse::serialize_result(work(Writer::Transaction(products)).await).await
        };
        // Boxing keeps the future small for the many requests without a key.
        let IdempotentResponse { response, replayed } = Box::pin(catalog.execute_once(request, work)).await?;
        let stored: StoredResponse = serde_json::from_str(&response).map_err(|_| Error::Internal)?;
        let mut response = stored.into_response();
        if replayed {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

/// A response to store as JSON. The aliases are the names in responses that earlier builds stored.
#[derive(Serialize, Deserialize)]
enum StoredResponse {
    #[serde(alias = "Done")]
    Success { status: u16, headers: Vec<(String, String)>, body: String },
    #[serde(alias = "Refused")]
    Problem(Problem),
}

impl StoredResponse {
    /// Returns the response as JSON, or the problem if it is a server error. Server errors are not stored, so
    /// that a retry executes the request again.
    async fn serialize_result(result: Result<Response, Problem>) -> Result<String, Problem> {
        let stored = match result {
            Err(problem) if problem.status().is_server_error() => return Err(problem),
            Err(problem) => Self::Problem(problem),
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let body = to_bytes(body, usize::MAX).await.map_err(|_| Error::Internal)?;
                let headers = parts.headers.iter().filter_map(|(name, value)| {
                    Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
                });
                Self::Success {
                    status: parts.status.as_u16(),
                    headers: headers.collect(),
                    body: String::from_utf8(body.into()).map_err(|_| Error::Internal)?,
                }
            }
        };
        serde_json::to_string(&stored).map_err(|_| Error::Internal.into())
    }
}

impl IntoResponse for StoredResponse {
    fn into_response(self) -> Response {
        let (status, headers, body) = match self {
            Self::Problem(problem) => return problem.into_response(),
            Self::Success { status, headers, body } => (status, headers, body),
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
