//! Responses in the form in which they are stored for an idempotency key.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::domain::Error;

/// A response to store as JSON. The aliases are the names in responses that earlier builds stored.
#[derive(Serialize, Deserialize)]
pub enum StoredResponse {
    #[serde(alias = "Done")]
    Success { status: u16, headers: Vec<(String, String)>, body: String },
    #[serde(alias = "Refused")]
    Problem(Problem),
}

impl StoredResponse {
    /// Reads the body of a response and returns the response in the form to store.
    ///
    /// # Errors
    /// Returns [`Error::Internal`] if the body is not UTF-8 text.
    pub async fn from_response(response: Response) -> Result<Self, Error> {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|_| Error::Internal)?;
        let headers = parts
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        Ok(Self::Success {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(body.into()).map_err(|_| Error::Internal)?,
        })
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
