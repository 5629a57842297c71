//! Which format a client wants. As the service before, who wants nothing that there is gets JSON.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{formats::Format, http::content_negotiation::negotiate};

/// The format to answer in.
pub struct Wanted(pub Format);

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let format = negotiate(&parts.headers, |range| match range {
            "*/*" | "application/*" => Some(Format::Json),
            "text/*" => Some(Format::Csv),
            essence => Format::from_media_type(essence),
        });
        Ok(Self(format.unwrap_or(Format::Json)))
    }
}
