//! `GET /products`: all of them, in id order, with flat memory.
//!
//! Page by page rather than over one open cursor: a slow reader holds no connection and no snapshot.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};

use super::json;
use crate::{
    catalog::{Catalog, Cursor, Error, Page, PageRequest},
    problem::Problem,
};

/// All products.
pub async fn list(State(catalog): State<Catalog>) -> Result<Response, Problem> {
    // The first page decides between an answer and a 503.
    let first = catalog.page(PageRequest::next(None)).await?;
    if !first.has_next {
        return Ok(json::many(StatusCode::OK, &first.products));
    }
    let (opening, cursor) = part(b'[', &first);
    let rest = stream::unfold(cursor, move |cursor| {
        let catalog = catalog.clone();
        async move {
            let cursor = cursor?;
            match catalog.page(PageRequest::next(Some(cursor))).await {
                Ok(page) => {
                    let (bytes, next) = part(b',', &page);
                    Some((Ok(bytes), next))
                }
                // The connection is cut, so that nobody takes the part for the whole.
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    let body = stream::iter([Ok::<_, Error>(opening)]).chain(rest);
    Ok(([(header::CONTENT_TYPE, json::JSON)], Body::from_stream(body)).into_response())
}

/// A page's JSON behind `start`, with the closing bracket if it is the last; and where to go on.
fn part(start: u8, page: &Page) -> (Bytes, Option<Cursor>) {
    let next = page.products.last().filter(|_| page.has_next).map(Cursor::of);
    let mut out = Vec::new();
    // A page can be empty when the products behind the cursor have been deleted meanwhile.
    if start == b'[' || !page.products.is_empty() {
        out.push(start);
    }
    json::write_products(&mut out, &page.products);
    if next.is_none() {
        out.push(b']');
    }
    (out.into(), next)
}
