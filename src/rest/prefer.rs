//! Extractor of `Prefer: resolution=merge-duplicates`, which requests an upsert. RFC 7240 defines the header,
//! `PostgREST` the preference.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts},
    response::Response,
};

use crate::domain::OnConflict;

pub const PREFER: HeaderName = HeaderName::from_static("prefer");
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const MERGE: &str = "resolution=merge-duplicates";

/// Requested action for products whose ids exist. Unknown preferences are ignored (RFC 7240 section 2).
#[derive(Clone, Copy)]
pub struct Preference(pub OnConflict);

impl<S: Send + Sync> FromRequestParts<S> for Preference {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

impl Preference {
    /// Returns the preference in the headers of a request.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(PREFER).iter().filter_map(|field| field.to_str().ok());
        let mut preferences = fields.flat_map(|field| field.split([',', ';'])).map(|preference| {
            preference.chars().filter(|char| !char.is_whitespace() && *char != '"').collect::<String>()
        });
        let upsert = preferences.any(|preference| preference.eq_ignore_ascii_case(MERGE));
        Self(if upsert { OnConflict::Replace } else { OnConflict::Reject })
    }

    /// Returns the response; for an upsert, with `Preference-Applied` and status 200. The status is not 201,
    /// because some products may have existed.
    pub fn mark_applied(self, mut response: Response) -> Response {
        if self.0 == OnConflict::Replace {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static(MERGE));
        }
        response
    }
}
