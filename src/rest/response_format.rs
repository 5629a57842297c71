//! Extractor of the response format from `Accept`.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{formats::Format, http::content_negotiation::negotiate};

/// Format of the response. It is JSON if the client accepts no supported format, for compatibility with the
/// legacy service.
pub struct ResponseFormat(pub Format);

impl<S: Send + Sync> FromRequestParts<S> for ResponseFormat {
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
