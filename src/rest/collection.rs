//! Handlers of `/products` that write: create, replace and delete.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};

use super::{
    idempotency::IdempotentRequest,
    list_query, openapi,
    preconditions::Preconditions,
    prefer::Preference,
    require_object, response,
    upload::{ProductsPayload, SpooledFile},
};
use crate::{
    background_runtime,
    catalog::{Catalog, Writer},
    domain::NewProduct,
    formats::{
        self, Format,
        json::{self, OneOrMany},
    },
    http::{body_text::BodyText, problem::Problem, request_body::JsonBody},
};

/// Creates products, all or none.
///
/// The body is one product, an array or a file. With `Prefer: resolution=merge-duplicates`, products whose ids exist are
/// replaced.
#[utoipa::path(
    post,
    path = "/products",
    tag = "products",
    operation_id = "createProducts",
    params(openapi::PreferHeader, openapi::IdempotencyKeyHeader),
    request_body(content(
        (inline(openapi::OneOrMany) = "application/json"),
        (String = "text/csv", example = "name,price,amount\r\nLaptop,999.99,10\r\n"),
        (String = "application/x-ndjson", example = "{\"name\":\"Laptop\",\"price\":999.99,\"amount\":10}\n")
    )),
    responses(
        (status = 201, description = "The created products, in the order sent; for a file, their number",
            body = openapi::Stored,
            headers(
                ("Location" = String, description = "Path of the product, if the body was a single product"),
                ("ETag" = String, description = "Version of the product, if the body was a single product")
            )),
        (status = 200, description = "The created or replaced products", body = openapi::Stored,
            headers(("Preference-Applied" = String, description = "`resolution=merge-duplicates`"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::Conflict, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn create(
    State(catalog): State<Catalog>,
    preference: Preference,
    idempotent: IdempotentRequest,
    payload: ProductsPayload,
) -> Result<Response, Problem> {
    match payload {
        ProductsPayload::Json(body) => {
            background_runtime::run_if_large(body.len(), create_json(catalog, body, preference, idempotent))
                .await
        }
        ProductsPayload::File { format, file: SpooledFile { file, digest, size }, permit } => {
            let work = async move |writer: Writer| {
                let count = formats::import(&writer, format, file, preference.0).await?;
                Ok(preference.mark_applied(response::count(StatusCode::CREATED, "products", count)))
            };
            let import = async move {
                let _held = (size, permit);
                idempotent.execute(catalog, &digest, work).await
            };
            Box::pin(background_runtime::run(import)).await
        }
    }
}

/// Validated content of a JSON body.
enum CreateInput {
    One(NewProduct),
    Many(Vec<NewProduct>),
}

impl CreateInput {
    fn parse(body: &str) -> Result<Self, Problem> {
        Ok(match json::parse_one_or_many(body)? {
            OneOrMany::One(draft) => Self::One(NewProduct::new(&require_object(draft)?)?),
            OneOrMany::Many(products) => Self::Many(products.finish()?),
        })
    }
}

async fn create_json(
    catalog: Catalog,
    body: BodyText,
    preference: Preference,
    idempotent: IdempotentRequest,
) -> Result<Response, Problem> {
    // Parsing is not part of `work`, which runs in a transaction if the request has an idempotency key.
    let input = CreateInput::parse(&body);
    let work = async move |writer: Writer| create_parsed(&writer, input?, preference).await;
    idempotent.execute(catalog, body.as_bytes(), work).await
}

async fn create_parsed(
    writer: &Writer,
    input: CreateInput,
    preference: Preference,
) -> Result<Response, Problem> {
    let Preference(on_conflict) = preference;
    let response = match input {
        CreateInput::One(new) => response::created(&writer.create(new, on_conflict).await?),
        CreateInput::Many(new) => {
            let created = Box::pin(writer.create_many(new, on_conflict)).await?;
            response::products(StatusCode::CREATED, Format::Json, &created)
        }
    };
    Ok(preference.mark_applied(response))
}

/// Replaces several products, all or none.
///
/// Each product gets new values for all fields except its id.
#[utoipa::path(
    put,
    path = "/products",
    tag = "products",
    operation_id = "replaceProducts",
    params(openapi::IdempotencyKeyHeader),
    request_body = Vec<openapi::Product>,
    responses(
        (status = 200, description = "The replaced products, in the order sent", body = Vec<openapi::Product>),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType,
        openapi::Invalid, openapi::NotFound, openapi::Conflict, openapi::VersionRequired, openapi::Internal,
        openapi::Unavailable
    )
)]
pub async fn replace(
    State(catalog): State<Catalog>,
    preconditions: Preconditions,
    idempotent: IdempotentRequest,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    preconditions.reject_any()?;
    background_runtime::run_if_large(body.len(), replace_json(catalog, body, idempotent)).await
}

async fn replace_json(
    catalog: Catalog,
    body: BodyText,
    idempotent: IdempotentRequest,
) -> Result<Response, Problem> {
    let products = parse_products(&body);
    let work = async move |writer: Writer| {
        let replaced = writer.replace_many(products?).await?;
        Ok(response::products(StatusCode::OK, Format::Json, &replaced))
    };
    idempotent.execute(catalog, body.as_bytes(), work).await
}

fn parse_products(body: &str) -> Result<Vec<NewProduct>, Problem> {
    Ok(json::parse_array(body)?.finish()?)
}

/// Deletes the products that match a filter.
///
/// If several filters are sent, a product must match all of them. At least one filter is required.
#[utoipa::path(
    delete,
    path = "/products",
    tag = "products",
    operation_id = "deleteProducts",
    params(openapi::IdFilterExampleParam, openapi::FilterParams, openapi::IdempotencyKeyHeader),
    responses(
        (status = 200, description = "The number of deleted products", body = openapi::Deleted),
        openapi::Malformed, openapi::KeyInUse, openapi::Invalid, openapi::VersionRequired, openapi::Internal,
        openapi::Unavailable
    )
)]
pub async fn delete(
    State(catalog): State<Catalog>,
    preconditions: Preconditions,
    idempotent: IdempotentRequest,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    preconditions.reject_any()?;
    let filter = list_query::parse_filter(query.as_deref().unwrap_or_default());
    let work = async move |writer: Writer| {
        let deleted = writer.delete_many(&filter?).await?;
        Ok(response::count(StatusCode::OK, "deleted", deleted))
    };
    // The filter is in the target, which belongs to the fingerprint.
    idempotent.execute(catalog, b"", work).await
}
