//! `Prefer: resolution=merge-duplicates` (RFC 7240; the preference is that of `PostgREST`): create or replace.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, request::Parts},
    response::Response,
};

use crate::catalog::OnConflict;

/// The request's header.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The response's.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const MERGE: &str = "resolution=merge-duplicates";

/// What the client prefers to be done with ids that are taken. Preferences that we don't know are passed over, as
/// the RFC wants it.
#[derive(Clone, Copy)]
pub struct Preference(pub OnConflict);

impl<S: Send + Sync> FromRequestParts<S> for Preference {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let fields = parts.headers.get_all(PREFER).iter().filter_map(|field| field.to_str().ok());
        let mut preferences = fields.flat_map(|field| field.split([',', ';'])).map(|preference| {
            preference.chars().filter(|char| !char.is_whitespace() && *char != '"').collect::<String>()
        });
        let merge = preferences.any(|preference| preference.eq_ignore_ascii_case(MERGE));
        Ok(Self(if merge { OnConflict::Replace } else { OnConflict::Reject }))
    }
}

impl Preference {
    /// Says that it was followed. What may have replaced something is not surely created: a 200.
    pub fn applied(self, mut response: Response) -> Response {
        if self.0 == OnConflict::Replace {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static(MERGE));
        }
        response
    }
}
