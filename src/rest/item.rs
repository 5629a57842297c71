//! Handlers of `/products/{product_id}`: get, replace, patch and delete.

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
    domain::{Error, NewProduct, OnConflict, ProductChange, ProductId},
    formats::json,
    http::{problem::Problem, request_body::JsonBody},
};

/// Returns a product.
#[utoipa::path(
    get,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "getProduct",
    params(openapi::IdParam, openapi::IfNoneMatchHeader, openapi::IfMatchHeader, openapi::ReadAfterHeader),
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

/// Replaces a product.
///
/// All fields get new values. With `If-None-Match: *`, the product is created; the request fails if it exists.
#[utoipa::path(
    put,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "replaceProduct",
    params(
        openapi::IdParam, openapi::IfMatchHeader, openapi::IfNoneMatchAnyHeader, openapi::IdempotencyKeyHeader
    ),
    request_body = openapi::ProductInput,
    responses(
        (status = 200, description = "The replaced product", body = openapi::Product,
            headers(("ETag" = String, description = "Version of the product"))),
        (status = 201, description = "The created product", body = openapi::Product,
            headers(
                ("ETag" = String, description = "Version of the product"),
                ("Location" = String, description = "Path of the product")
            )),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::NotFound, openapi::KeyInUse, openapi::VersionMismatch, openapi::VersionRequired,
        openapi::Internal, openapi::Unavailable
    )
)]
pub async fn replace(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
    idempotent: IdempotentRequest,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    // Parsing is not part of `work`, which runs in a transaction if the request has an idempotency key.
    let replacement = Replacement::parse(id, &preconditions, &body);
    let work = async move |writer: Writer| match replacement? {
        Replacement::Change(change) => {
            let product = writer.update(id, change, preconditions.for_update()?).await?;
            Ok(response::product(StatusCode::OK, &product))
        }
        Replacement::Create(new) => create_only(&writer, id, &new).await,
    };
    idempotent.execute(catalog, body.as_bytes(), work).await
}

/// Validated content of a PUT request.
enum Replacement {
    /// New values of an existing product.
    Change(ProductChange),
    /// A product to create, which must not exist.
    Create(NewProduct),
}

impl Replacement {
    fn parse(id: ProductId, preconditions: &Preconditions, body: &str) -> Result<Self, Problem> {
        let draft = require_object(json::parse_object(body)?)?;
        match preconditions.if_none_match {
            IfNoneMatch::Absent => Ok(Self::Change(ProductChange::replace(id, &draft)?)),
            IfNoneMatch::Any if preconditions.if_match.is_present() => {
                Err(Problem::malformed("If-Match and If-None-Match cannot be combined"))
            }
            IfNoneMatch::Any => Ok(Self::Create(NewProduct::with_id(id, &draft)?)),
            IfNoneMatch::Versions(_) => Err(Problem::malformed("If-None-Match must be * in a PUT request")),
        }
    }
}

/// Creates a product and returns the response.
///
/// # Errors
/// Returns a 412 problem if the id exists.
async fn create_only(writer: &Writer, id: ProductId, new: &NewProduct) -> Result<Response, Problem> {
    loop {
        match writer.create(new.clone(), OnConflict::Reject).await {
            Ok(product) => return Ok(response::created(&product)),
            Err(Error::Duplicate(_)) => match writer.get(id).await {
                Ok(product) => return Err(Problem::product_exists(&product)),
                // Another request deleted the product in the meantime, so the loop tries again.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Changes fields of a product.
///
/// The body has the fields to change (JSON Merge Patch, RFC 7396).
#[utoipa::path(
    patch,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "changeProduct",
    params(openapi::IdParam, openapi::IfMatchHeader, openapi::IdempotencyKeyHeader),
    request_body(content = openapi::ProductPatch, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The changed product", body = openapi::Product,
            headers(("ETag" = String, description = "Version of the product"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::NotFound, openapi::KeyInUse, openapi::VersionMismatch, openapi::VersionRequired,
        openapi::Internal, openapi::Unavailable
    )
)]
pub async fn patch(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
    idempotent: IdempotentRequest,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let change = parse_patch(id, &body);
    let work = async move |writer: Writer| {
        let product = writer.update(id, change?, preconditions.for_update()?).await?;
        Ok(response::product(StatusCode::OK, &product))
    };
    idempotent.execute(catalog, body.as_bytes(), work).await
}

fn parse_patch(id: ProductId, body: &str) -> Result<ProductChange, Problem> {
    Ok(ProductChange::partial(id, &require_object(json::parse_object(body)?)?)?)
}

/// Deletes a product.
#[utoipa::path(
    delete,
    path = "/products/{product_id}",
    tag = "products",
    operation_id = "deleteProduct",
    params(openapi::IdParam, openapi::IfMatchHeader, openapi::IdempotencyKeyHeader),
    responses(
        (status = 204, description = "The product was deleted"),
        openapi::Malformed, openapi::NotFound, openapi::KeyInUse, openapi::VersionMismatch, openapi::Invalid,
        openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn delete(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    preconditions: Preconditions,
    idempotent: IdempotentRequest,
) -> Result<Response, Problem> {
    let work = async move |writer: Writer| {
        writer.delete(id, preconditions.for_update()?).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    idempotent.execute(catalog, b"", work).await
}
