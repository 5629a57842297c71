//! `GET /products`: all of them with flat memory, or a page.
//!
//! Page by page rather than over one open cursor: a slow reader holds no connection and no snapshot.

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};

use super::{
    json,
    query::{ListQuery, Part},
};
use crate::{
    catalog::{Catalog, Cursor, Error, Listing, Order, Page, PageRequest, Product},
    problem::Problem,
};

/// All products, or those that are asked for; with `limit` a page of them, and links to the others (RFC 8288).
pub async fn list(State(catalog): State<Catalog>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = ListQuery::parse(query.as_deref().unwrap_or_default())?;
    let count = if query.count { Some(catalog.count(&query.listing.filter).await?) } else { None };
    let mut response = match &query.part {
        Part::Page(request) => {
            let page = catalog.page(&query.listing, request.clone()).await?;
            let mut response = json::many(StatusCode::OK, &page.products);
            if let Ok(links) = HeaderValue::try_from(links(&query, &page)) {
                response.headers_mut().insert(header::LINK, links);
            }
            response
        }
        Part::AllAfter(place) => all(catalog, query.listing, place.clone()).await?,
    };
    if let Some(count) = count {
        response.headers_mut().insert("x-total-count", count.into());
    }
    Ok(response)
}

fn links(query: &ListQuery, page: &Page) -> String {
    let place = |product: &Product| Cursor::of(product, &query.listing.order);
    let mut links = vec![query.link("first", None)];
    if let (Some(first), true) = (page.products.first(), page.has_previous) {
        links.push(query.link("prev", Some(("before", &place(first)))));
    }
    if let (Some(last), true) = (page.products.last(), page.has_next) {
        links.push(query.link("next", Some(("after", &place(last)))));
    }
    links.join(", ")
}

/// The listing from a place on, to its end.
async fn all(catalog: Catalog, listing: Listing, place: Option<Cursor>) -> Result<Response, Error> {
    // The first page decides between an answer and a 503.
    let first = catalog.page(&listing, PageRequest::next(place)).await?;
    if !first.has_next {
        return Ok(json::many(StatusCode::OK, &first.products));
    }
    let (opening, place) = part(b'[', &first, &listing.order);
    let rest = stream::unfold((place, listing), move |(place, listing)| {
        let catalog = catalog.clone();
        async move {
            let place = place?;
            match catalog.page(&listing, PageRequest::next(Some(place))).await {
                Ok(page) => {
                    let (bytes, next) = part(b',', &page, &listing.order);
                    Some((Ok(bytes), (next, listing)))
                }
                // The connection is cut, so that nobody takes the part for the whole.
                Err(error) => Some((Err(error), (None, listing))),
            }
        }
    });
    let body = stream::iter([Ok::<_, Error>(opening)]).chain(rest);
    Ok(([(header::CONTENT_TYPE, json::JSON)], Body::from_stream(body)).into_response())
}

/// A page's JSON behind `start`, with the closing bracket if it is the last; and where to go on.
fn part(start: u8, page: &Page, order: &Order) -> (Bytes, Option<Cursor>) {
    let next = page.products.last().filter(|_| page.has_next).map(|last| Cursor::of(last, order));
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
