//! The handlers of many products at once: create, import, replace, delete.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};

use super::{
    idempotency::Repeatable, list_query, object, openapi, preconditions::Conditions, prefer::Preference,
    response, upload::Sent,
};
use crate::{
    background_runtime,
    catalog::{Catalog, NewProduct},
    formats::{
        self, Format,
        json::{self, OneOrMany},
    },
    http::{problem::Problem, request_body::JsonBody},
};

/// Creates one product, or several of an array or a file, all or none. With `Prefer: resolution=merge-duplicates`
/// those with an id that is taken replace what is there.
#[utoipa::path(post, path = "/products", tag = "products", operation_id = "createProducts", summary = "Create products, all or none",
    params(("Prefer" = Option<String>, Header, description = "`resolution=merge-duplicates`: replace products that are there (RFC 7240)", example = "resolution=merge-duplicates"),
        ("Idempotency-Key" = Option<String>, Header, description = "A new one for each request: when the same request comes again, it gets the answer of the first time", pattern = r#"^("[!#-~]{1,255}"|[!#-~]{1,255})$"#)),
    request_body(content((openapi::OneOrMany<openapi::NewProduct> = "application/json"), (String = "text/csv", example = "name,price,amount\r\nLaptop,999.99,10\r\n"), (String = "application/x-ndjson", example = "{\"name\":\"Laptop\",\"price\":999.99,\"amount\":10}\n"))),
    responses(
        (status = 201, description = "Created; an array's products in the order sent, of a file their number", body = openapi::Stored,
            headers(("Location" = String, description = "The product, if it is one"), ("ETag" = String, description = "Its version"), ("Idempotent-Replayed" = bool, description = "True where the request had come before"))),
        (status = 200, description = "Created or replaced", body = openapi::Stored, headers(("Preference-Applied" = String, description = "`resolution=merge-duplicates`"))),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType, openapi::Invalid, openapi::OnConflict, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn create(
    State(catalog): State<Catalog>,
    preference: Preference,
    repeatable: Repeatable,
    sent: Sent,
) -> Result<Response, Problem> {
    match sent {
        Sent::Json(body) => {
            background_runtime::run_if_large(body.len(), create_json(catalog, body, preference, repeatable))
                .await
        }
        Sent::File(format, file, digest) => {
            let work = async move |catalog| {
                let count = formats::import(&catalog, format, file, preference.0).await?;
                Ok(preference.applied(response::count(StatusCode::CREATED, "products", count)))
            };
            Box::pin(background_runtime::run(async move { repeatable.once(catalog, &digest, work).await }))
                .await
        }
    }
}

/// What is to be created.
enum New {
    One(NewProduct),
    Many(Vec<NewProduct>),
}

impl New {
    fn read(body: &str) -> Result<Self, Problem> {
        Ok(match json::parse_one_or_many(body)? {
            OneOrMany::One(draft) => Self::One(NewProduct::new(&object(draft)?)?),
            OneOrMany::Many(products) => Self::Many(products.all()?),
        })
    }
}

async fn create_json(
    catalog: Catalog,
    body: String,
    preference: Preference,
    repeatable: Repeatable,
) -> Result<Response, Problem> {
    // Read before the transaction that the work may be in.
    let new = New::read(&body);
    let work = async move |catalog| create_new(&catalog, new?, preference).await;
    repeatable.once(catalog, body.as_bytes(), work).await
}

async fn create_new(catalog: &Catalog, new: New, preference: Preference) -> Result<Response, Problem> {
    let Preference(taken) = preference;
    let response = match new {
        New::One(new) => response::created(&catalog.create(new, taken).await?),
        New::Many(new) => {
            let created = Box::pin(catalog.create_many(new, taken)).await?;
            response::many(StatusCode::CREATED, Format::Json, &created)
        }
    };
    Ok(preference.applied(response))
}

/// Replaces all of the products, which are named by their ids, or none.
#[utoipa::path(put, path = "/products", tag = "products", operation_id = "replaceProducts", summary = "Replace several products, all or none",
    request_body = Vec<openapi::ReplacementWithId>,
    responses(
        (status = 200, description = "As they are now, in the order sent", body = Vec<openapi::Product>),
        openapi::Malformed, openapi::BodyTooSlow, openapi::BodyTooLarge, openapi::UnsupportedMediaType, openapi::Invalid, openapi::NotFound, openapi::OnConflict, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn replace(
    State(catalog): State<Catalog>,
    conditions: Conditions,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    conditions.none()?;
    let length = body.len();
    let replace = async move {
        let replaced = catalog.replace_many(json::parse_array(&body)?.all()?).await?;
        Ok(response::many(StatusCode::OK, Format::Json, &replaced))
    };
    background_runtime::run_if_large(length, replace).await
}

/// Deletes all products that pass the tests, of which there must be at least one.
#[utoipa::path(delete, path = "/products", tag = "products", operation_id = "deleteProducts", summary = "Delete the products that are asked for",
    params(
        ("id" = Option<String>, Query, description = "`eq`, `gt`, `gte`, `lt`, `lte` or `in`", example = "in.1,2", pattern = r"^((eq|gt|gte|lt|lte)\.[1-9][0-9]{0,14}|in\.[1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)$"),
        ("name" = Option<String>, Query, description = "`eq`, `contains` or `prefix`", example = "contains.lap", pattern = r"^(eq|contains|prefix)\.[ -~]{1,100}$"),
        ("price" = Option<String>, Query, description = "Tests as of `id`", example = "gte.10", pattern = r"^((eq|gt|gte|lt|lte)\.[0-9]{1,9}(\.[0-9]{1,4})?|in\.[0-9]{1,9}(\.[0-9]{1,4})?(,[0-9]{1,9}(\.[0-9]{1,4})?)*)$"),
        ("amount" = Option<String>, Query, description = "Tests as of `id`", example = "eq.0", pattern = r"^((eq|gt|gte|lt|lte)\.[0-9]{1,9}|in\.[0-9]{1,9}(,[0-9]{1,9})*)$"),
    ),
    responses(
        (status = 200, description = "How many were deleted", body = openapi::Deleted),
        openapi::Malformed, openapi::Invalid, openapi::VersionRequired, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn delete(
    State(catalog): State<Catalog>,
    conditions: Conditions,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    conditions.none()?;
    let filter = list_query::filter(query.as_deref().unwrap_or_default())?;
    let deleted = catalog.delete_many(&filter).await?;
    Ok(response::count(StatusCode::OK, "deleted", deleted))
}
