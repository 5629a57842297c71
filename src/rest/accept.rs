//! Which format a client wants (RFC 9110 section 12.5.1). As the service before, who wants nothing that there is
//! gets JSON.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::formats::Format;

/// The format to answer in.
pub struct Wanted(pub Format);

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let fields = parts.headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
        let ranges = fields.flat_map(|field| field.split(',')).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next()? {
                "*/*" | "application/*" => Format::Json,
                "text/*" => Format::Csv,
                essence => Format::of_media_type(essence)?,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            Some((format, weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0))))
        });
        // The first of those that weigh the most.
        let best = ranges.fold((Format::Json, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        Ok(Self(best.0))
    }
}
