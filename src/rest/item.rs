//! Handlers of `/products/{product_id}`: get, replace, patch, delete and adjust the stock.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    idempotency::IdempotentRequest,
    openapi,
    path::PathId,
    preconditions::{IfNoneMatch, Preconditions},
    require_object, response,
};
use crate::{
    catalog::{Catalog, Writer},
    domain::{Error, NewProduct, OnConflict, ProductChange, ProductId, StockAdjustment},
    formats::json::{self, StockAdjustmentDraft},
    http::{problem::Problem, request_body::JsonBody},
};

#[utoipa::path(
    get,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "getProduct",
    summary = "Get a product",
    params(openapi::IdParam, openapi::IfNoneMatchHeader, openapi::IfMatchHeader),
    responses(
        (status = 200, description = "The product", body = openapi::Product,
            headers(("ETag" = String, description = "Version of the product"))),
        (status = 304, description = "The product has one of the versions in `If-None-Match`",
            headers(("ETag" = String, description = "Version of the product"))),
        openapi::Malformed, openapi::NotFound, openapi::VersionMismatch, openapi::Invalid, openapi::Internal,
        openapi::Unavailable
    )
)]
pub async fn get(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let product = catalog.get(id).await?;
    if !preconditions.if_match.matches(product.version) {
        return Err(Error::VersionMismatch(product.version).into());
    }
    let mut response = response::product(StatusCode::OK, &product);
    if preconditions.if_none_match.is_not_modified(product.version) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    Ok(response)
}

/// Returns the response of [`get`] for a percent-encoded id, without axum's router and extractors.
pub fn get_by_id(
    catalog: Catalog,
    id: &str,
    headers: &HeaderMap,
) -> impl Future<Output = Response> + Send + use<> {
    let sent = PathId::decode(id).and_then(|id| Ok((id, Preconditions::from_headers(headers)?)));
    async move {
        match sent {
            Ok((id, preconditions)) => get(State(catalog), id, preconditions).await.into_response(),
            Err(problem) => problem.into_response(),
        }
    }
}

/// Replaces all fields of a product. With `If-None-Match: *`, creates the product and fails if it exists.
#[utoipa::path(
    put,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "replaceProduct",
    summary = "Replace a product",
    params(openapi::IdParam, openapi::IfMatchHeader, openapi::IfNoneMatchAnyHeader),
    request_body = openapi::Replacement,
    responses(
        (status = 200, description = "The replaced product", body = openapi::Product,
            headers(("ETag" = String, description = "Version of the product"))),
        (status = 201, description = "The created product", body = openapi::Product,
            headers(
                ("ETag" = String, description = "Version of the product"),
                ("Location" = String, description = "Path of the product")
            )),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::NotFound, openapi::VersionMismatch, openapi::VersionRequired, openapi::Internal,
        openapi::Unavailable
    )
)]
pub async fn replace(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let draft = require_object(json::parse_object(&body)?)?;
    match preconditions.if_none_match {
        IfNoneMatch::Absent => {
            let change = ProductChange::replace(id, &draft)?;
            let product = catalog.update(id, change, preconditions.for_update()?).await?;
            Ok(response::product(StatusCode::OK, &product))
        }
        IfNoneMatch::Any if preconditions.if_match.is_present() => {
            Err(Problem::malformed("If-Match and If-None-Match cannot be combined"))
        }
        IfNoneMatch::Any => create_only(&catalog, id, &NewProduct::with_id(id, &draft)?).await,
        IfNoneMatch::Versions(_) => Err(Problem::malformed("If-None-Match must be * in a PUT request")),
    }
}

/// Creates a product and returns the response.
///
/// # Errors
/// Returns a 412 problem if the id exists.
async fn create_only(catalog: &Catalog, id: ProductId, new: &NewProduct) -> Result<Response, Problem> {
    loop {
        match catalog.create(new.clone(), OnConflict::Reject).await {
            Ok(product) => return Ok(response::created(&product)),
            Err(Error::Duplicate(_)) => match catalog.get(id).await {
                Ok(product) => return Err(Problem::product_exists(&product)),
                // Another request deleted the product in the meantime, so the loop tries again.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Changes the fields that are sent (JSON Merge Patch, RFC 7396).
#[utoipa::path(
    patch,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "changeProduct",
    summary = "Change fields of a product",
    params(openapi::IdParam, openapi::IfMatchHeader),
    request_body(content = openapi::ProductPatch, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The changed product", body = openapi::Product,
            headers(("ETag" = String, description = "Version of the product"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::NotFound, openapi::VersionMismatch, openapi::VersionRequired, openapi::Internal,
        openapi::Unavailable
    )
)]
pub async fn patch(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let change = ProductChange::partial(id, &require_object(json::parse_object(&body)?)?)?;
    let product = catalog.update(id, change, preconditions.for_update()?).await?;
    Ok(response::product(StatusCode::OK, &product))
}

#[utoipa::path(
    delete,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "deleteProduct",
    summary = "Delete a product",
    params(openapi::IdParam, openapi::IfMatchHeader),
    responses(
        (status = 204, description = "The product was deleted"),
        openapi::Malformed, openapi::NotFound, openapi::VersionMismatch, openapi::Invalid, openapi::VersionRequired,
        openapi::Internal, openapi::Unavailable
    )
)]
pub async fn delete(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    catalog.delete(id, preconditions.for_update()?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    post,
    path = "/products/{product_id}/stock",
    tag = "products",
    operation_id = "moveStock",
    summary = "Adjust the stock of a product, never below 0",
    params(openapi::IdParam, openapi::IfMatchHeader, openapi::IdempotencyKeyHeader),
    request_body = openapi::StockAdjustmentDraft,
    responses(
        (status = 200, description = "The product after the adjustment", body = openapi::Product,
            headers(
                ("ETag" = String, description = "Version of the product"),
                ("Idempotent-Replayed" = bool, description = "`true` if an earlier request produced this response")
            )),
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
    let fingerprint = body.clone();
    let work = async move |writer: Writer| {
        let StockAdjustmentDraft { delta } = require_object(json::parse_object(&body)?)?;
        let adjustment = StockAdjustment::new(&delta)?;
        let product = writer.adjust_stock(id, adjustment, preconditions.for_update()?).await?;
        Ok(response::product(StatusCode::OK, &product))
    };
    idempotent.execute(catalog, fingerprint.as_bytes(), work).await
}
