//! Extractor of the product's id in the path.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use percent_encoding::percent_decode_str;

use crate::{
    domain::{ProductId, parse_product_id},
    http::problem::Problem,
};

/// The id in `/products/{product_id}`.
pub struct PathId(pub ProductId);

impl PathId {
    /// Decodes and parses a percent-encoded id, with the same result as axum's `Path`.
    ///
    /// # Errors
    /// Returns a 400 problem if the decoded id is not UTF-8, and a 422 problem if it is not a valid id.
    pub fn decode(text: &str) -> Result<Self, Problem> {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| not_utf8())?;
        Ok(Self(parse_product_id(&text)?))
    }
}

fn not_utf8() -> Problem {
    Problem::malformed("the path is not UTF-8")
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| not_utf8())?;
        Ok(Self(parse_product_id(&text)?))
    }
}
