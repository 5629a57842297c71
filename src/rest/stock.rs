//! Handler of `/products/{product_id}/stock`.

use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    idempotency::IdempotentRequest, openapi, path::PathId, preconditions::Preconditions, require_object,
    response,
};
use crate::{
    catalog::{Catalog, Writer},
    domain::StockAdjustment,
    formats::json::{self, StockAdjustmentDraft},
    http::{problem::Problem, request_body::JsonBody},
};

/// Adjusts the stock of a product, never below 0.
///
/// Concurrent adjustments add up. If the stock is too small, nothing changes.
#[utoipa::path(
    post,
    path = "/products/{product_id}/stock",
    tag = "products",
    operation_id = "adjustStock",
    params(openapi::IdParam, openapi::IfMatchHeader, openapi::IdempotencyKeyHeader),
    request_body = openapi::StockAdjustmentDraft,
    responses(
        (status = 200, description = "The product after the adjustment", body = openapi::Product,
            headers(("ETag" = String, description = "Version of the product"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::NotFound, openapi::StockConflict, openapi::VersionMismatch,
        openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn adjust_stock(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
    idempotent: IdempotentRequest,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let adjustment = parse(&body);
    let work = async move |writer: Writer| {
        let product = writer.adjust_stock(id, adjustment?, preconditions.for_update()?).await?;
        Ok(response::product(StatusCode::OK, &product))
    };
    idempotent.execute(catalog, body.as_bytes(), work).await
}

fn parse(body: &str) -> Result<StockAdjustment, Problem> {
    let StockAdjustmentDraft { delta } = require_object(json::parse_object(body)?)?;
    Ok(StockAdjustment::new(&delta)?)
}
