//! The handlers of single products and of arrays to create: take apart, call the catalog, put together.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    draft::{self, Body},
    json,
    path::PathId,
};
use crate::{
    body::JsonText,
    catalog::{Catalog, Draft, Error, NewProduct, ProductChange},
    problem::Problem,
};

pub async fn create(State(catalog): State<Catalog>, JsonText(body): JsonText) -> Result<Response, Problem> {
    match draft::one_or_many(&body)? {
        Body::One(draft) => {
            let product = catalog.create(NewProduct::new(&object(draft)?)?).await?;
            let mut response = json::one(StatusCode::CREATED, &product);
            if let Ok(location) = HeaderValue::try_from(format!("/products/{}", product.id)) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        Body::Many(drafts) => {
            let products = catalog.create_many(NewProduct::new_many(drafts)?).await?;
            Ok(json::many(StatusCode::CREATED, &products))
        }
    }
}

pub async fn get(State(catalog): State<Catalog>, PathId(id): PathId) -> Result<Response, Problem> {
    Ok(json::one(StatusCode::OK, &catalog.get(id).await?))
}

pub async fn update(
    State(catalog): State<Catalog>,
    PathId(id): PathId,
    JsonText(body): JsonText,
) -> Result<Response, Problem> {
    let change = ProductChange::replace(id, &object(draft::one(&body)?)?)?;
    Ok(json::one(StatusCode::OK, &catalog.update(id, change).await?))
}

pub async fn delete(State(catalog): State<Catalog>, PathId(id): PathId) -> Result<Response, Problem> {
    catalog.delete(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn object(draft: Option<Draft<'_>>) -> Result<Draft<'_>, Error> {
    draft.ok_or_else(Error::not_an_object)
}
