//! The handlers of single products: take apart, call the catalog, put together.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{idempotency::Repeatable, object, openapi, path::PathId, preconditions::Conditions, response};
use crate::{
    catalog::{
        Catalog, Error, NewProduct, OnConflict, Precondition, ProductChange, ProductId, StockAdjustment,
    },
    formats::json::{self, StockAdjustmentDraft},
    http::{problem::Problem, request_body::JsonBody},
};

#[utoipa::path(get, path = "/products/{product_id}", tag = "products", operation_id = "getProduct", summary = "Read one product",
    params(("product_id" = i64, Path, description = "The product's id", minimum = 1, maximum = 9_007_199_254_740_991_i64), ("If-None-Match" = Option<String>, Header, description = "Only if the product is at none of these versions", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#), ("If-Match" = Option<String>, Header, description = "Only if the product is at one of these versions", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#)),
    responses(
        (status = 200, description = "The product", body = openapi::Product, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "It is at a version that is known", headers(("ETag" = String, description = "The version"))),
        openapi::Malformed, openapi::NotFound, openapi::VersionMismatch, openapi::Invalid, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn get(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let product = catalog.get(id).await?;
    if !conditions.expected.allows(product.version) {
        return Err(Error::VersionMismatch(product.version).into());
    }
    let known = match conditions.unwanted {
        Precondition::None => false,
        Precondition::Any => true,
        Precondition::Versions(versions) => versions.contains(&product.version),
    };
    let mut response = response::one(StatusCode::OK, &product);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    Ok(response)
}

/// [`get`] of a product whose id has been taken from the path.
pub fn product(
    catalog: Catalog,
    id: ProductId,
    headers: &HeaderMap,
) -> impl Future<Output = Response> + Send + use<> {
    let conditions = Conditions::of(headers);
    async move {
        match conditions {
            Ok(conditions) => get(State(catalog), PathId(id), conditions).await.into_response(),
            Err(problem) => problem.into_response(),
        }
    }
}

/// Replaces a product, or with `If-None-Match: *` creates it and nothing else.
#[utoipa::path(put, path = "/products/{product_id}", tag = "products", operation_id = "replaceProduct", summary = "Replace one product",
    params(("product_id" = i64, Path, description = "The product's id", minimum = 1, maximum = 9_007_199_254_740_991_i64), ("If-Match" = Option<String>, Header, description = "Only if the product is at one of these versions", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#), ("If-None-Match" = Option<String>, Header, description = "*: create the product, and only that", pattern = r"^\*$")),
    request_body = openapi::Replacement,
    responses(
        (status = 200, description = "As it is now", body = openapi::Product, headers(("ETag" = String, description = "The version"))),
        (status = 201, description = "Created", body = openapi::Product, headers(("ETag" = String, description = "The version"), ("Location" = String, description = "The product"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType, openapi::Invalid, openapi::NotFound, openapi::VersionMismatch, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn replace(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    conditions: Conditions,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let draft = object(json::parse_object(&body)?)?;
    match conditions.unwanted {
        Precondition::None => {
            let change = ProductChange::replace(id, &draft)?;
            Ok(response::one(StatusCode::OK, &catalog.update(id, change, conditions.of_change()?).await?))
        }
        Precondition::Any if conditions.expected != Precondition::None => {
            Err(Problem::malformed("If-Match and If-None-Match can't be combined"))
        }
        Precondition::Any => create_only(&catalog, id, &NewProduct::with_id(id, &draft)?).await,
        Precondition::Versions(_) => Err(Problem::malformed("If-None-Match of a PUT can only be *")),
    }
}

async fn create_only(catalog: &Catalog, id: ProductId, new: &NewProduct) -> Result<Response, Problem> {
    loop {
        match catalog.create(new.clone(), OnConflict::Reject).await {
            Ok(product) => return Ok(response::created(&product)),
            Err(Error::Duplicate(_)) => match catalog.get(id).await {
                Ok(product) => return Err(Problem::exists(&product)),
                // It was there a moment ago.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Changes the fields that are sent: JSON Merge Patch (RFC 7396).
#[utoipa::path(patch, path = "/products/{product_id}", tag = "products", operation_id = "changeProduct", summary = "Change fields of one product",
    params(("product_id" = i64, Path, description = "The product's id", minimum = 1, maximum = 9_007_199_254_740_991_i64), ("If-Match" = Option<String>, Header, description = "Only if the product is at one of these versions", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#)),
    request_body(content = openapi::ProductPatch, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "As it is now", body = openapi::Product, headers(("ETag" = String, description = "The version"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType, openapi::Invalid, openapi::NotFound, openapi::VersionMismatch, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn change(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    conditions: Conditions,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let change = ProductChange::partial(id, &object(json::parse_object(&body)?)?)?;
    Ok(response::one(StatusCode::OK, &catalog.update(id, change, conditions.of_change()?).await?))
}

#[utoipa::path(delete, path = "/products/{product_id}", tag = "products", operation_id = "deleteProduct", summary = "Delete one product",
    params(("product_id" = i64, Path, description = "The product's id", minimum = 1, maximum = 9_007_199_254_740_991_i64), ("If-Match" = Option<String>, Header, description = "Only if the product is at one of these versions", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#)),
    responses(
        (status = 204, description = "Deleted"),
        openapi::Malformed, openapi::NotFound, openapi::VersionMismatch, openapi::Invalid, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn delete(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    conditions: Conditions,
) -> Result<Response, Problem> {
    catalog.delete(id, conditions.of_change()?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(post, path = "/products/{product_id}/stock", tag = "products", operation_id = "moveStock", summary = "Move stock of one product, never below 0",
    params(("product_id" = i64, Path, description = "The product's id", minimum = 1, maximum = 9_007_199_254_740_991_i64), ("If-Match" = Option<String>, Header, description = "Only if the product is at one of these versions", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#), ("Idempotency-Key" = Option<String>, Header, description = "A new one for each request: when the same request comes again, it gets the answer of the first time", pattern = r#"^("[!#-~]{1,255}"|[!#-~]{1,255})$"#)),
    request_body = openapi::StockAdjustmentDraft,
    responses(
        (status = 200, description = "As it is now", body = openapi::Product, headers(("ETag" = String, description = "The version"), ("Idempotent-Replayed" = bool, description = "True where the request had come before"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType, openapi::Invalid, openapi::NotFound, openapi::Stock, openapi::VersionMismatch, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn adjust_stock(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    conditions: Conditions,
    repeatable: Repeatable,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let fingerprint = body.clone();
    let work = async move |catalog: Catalog| {
        let StockAdjustmentDraft { delta } = object(json::parse_object(&body)?)?;
        let moved = catalog.adjust_stock(id, StockAdjustment::new(&delta)?, conditions.of_change()?).await?;
        Ok(response::one(StatusCode::OK, &moved))
    };
    repeatable.once(catalog, fingerprint.as_bytes(), work).await
}
