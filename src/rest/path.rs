//! Extractor of the product's id in the path.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::{
    catalog::{ProductId, parse_product_id},
    http::problem::Problem,
};

/// The id in `/products/{product_id}`.
pub struct PathId(pub ProductId);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::malformed("the path is not UTF-8"))?;
        Ok(Self(parse_product_id(&text)?))
    }
}
