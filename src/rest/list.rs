//! `GET /products`: all of them with flat memory, or a page.
//!
//! Page by page rather than over one open cursor: a slow reader holds no connection and no snapshot.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};

use super::{
    list_query::{ListQuery, Part},
    openapi, response,
    response_format::Wanted,
};
use crate::{
    background_runtime,
    catalog::{Catalog, Cursor, Error, Listing, Page, PageRequest, Product, SortOrder},
    formats::{Format, Writer},
    http::problem::Problem,
};

/// All products, or those that are asked for; with `limit` a page of them, and links to the others (RFC 8288).
#[utoipa::path(get, path = "/products", tag = "products", operation_id = "listProducts", summary = "List products: all, or a page of those asked for",
    params(
        ("limit" = Option<u16>, Query, description = "A page of so many", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "From behind this place on, a cursor of a `Link`"),
        ("before" = Option<String>, Query, description = "Just before this place; needs `limit`"),
        ("sort" = Option<String>, Query, description = "Of `id`, `name`, `price`, `amount`, `-` before for descending", example = "price,-name", pattern = "^-?(id|name|price|amount)(,-?(id|name|price|amount))*$"),
        ("count" = Option<String>, Query, description = "`exact`: count them in `X-Total-Count`", pattern = "^exact$"),
        ("id" = Option<String>, Query, description = "`eq`, `gt`, `gte`, `lt`, `lte` or `in`", example = "in.1,2", pattern = r"^((eq|gt|gte|lt|lte)\.[1-9][0-9]{0,14}|in\.[1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)$"),
        ("name" = Option<String>, Query, description = "`eq`, `contains` or `prefix`", example = "contains.lap", pattern = r"^(eq|contains|prefix)\.[ -~]{1,100}$"),
        ("price" = Option<String>, Query, description = "Tests as of `id`", example = "gte.10", pattern = r"^((eq|gt|gte|lt|lte)\.[0-9]{1,9}(\.[0-9]{1,4})?|in\.[0-9]{1,9}(\.[0-9]{1,4})?(,[0-9]{1,9}(\.[0-9]{1,4})?)*)$"),
        ("amount" = Option<String>, Query, description = "Tests as of `id`", example = "eq.0", pattern = r"^((eq|gt|gte|lt|lte)\.[0-9]{1,9}|in\.[0-9]{1,9}(,[0-9]{1,9})*)$"),
    ),
    responses(
        (status = 200, description = "The products", content((Vec<openapi::Product> = "application/json"), (String = "text/csv", example = "id,name,price,amount\r\n1,Laptop,999.99,10\r\n"), (String = "application/x-ndjson", example = "{\"id\":1,\"name\":\"Laptop\",\"price\":999.99,\"amount\":10}\n")), headers(
            ("Link" = String, description = "`first`, `prev` and `next` page (RFC 8288)"),
            ("X-Total-Count" = u64, description = "How many there are, if asked for"))),
        openapi::Malformed, openapi::Invalid, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn list(
    State(catalog): State<Catalog>,
    Wanted(format): Wanted,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    background_runtime::run(answer(catalog, format, query)).await
}

async fn answer(catalog: Catalog, format: Format, query: Option<String>) -> Result<Response, Problem> {
    let query = ListQuery::parse(query.as_deref().unwrap_or_default())?;
    let count = if query.count { Some(catalog.count(&query.listing.filter).await?) } else { None };
    let mut response = match &query.part {
        Part::Page(request) => {
            let page = catalog.page(&query.listing, request.clone()).await?;
            let mut response = response::many(StatusCode::OK, format, &page.products);
            if let Ok(links) = HeaderValue::try_from(links(&query, &page)) {
                response.headers_mut().insert(header::LINK, links);
            }
            response
        }
        Part::AllAfter(place) => all(catalog, query.listing, place.clone(), format).await?,
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    if let Some(count) = count {
        response.headers_mut().insert("x-total-count", count.into());
    }
    Ok(response)
}

fn links(query: &ListQuery, page: &Page) -> String {
    let place = |product: &Product| Cursor::new(product, &query.listing.order);
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
async fn all(
    catalog: Catalog,
    listing: Listing,
    place: Option<Cursor>,
    format: Format,
) -> Result<Response, Error> {
    // The first page decides between an answer and a 503.
    let first = catalog.page(&listing, PageRequest::after(place)).await?;
    if !first.has_next {
        return Ok(response::many(StatusCode::OK, format, &first.products));
    }
    let mut opening = Vec::new();
    let mut writer = Writer::new(format, &mut opening);
    let place = part(&mut opening, &mut writer, &first, &listing.order);
    let rest = stream::unfold((place, writer, listing), move |(place, mut writer, listing)| {
        let catalog = catalog.clone();
        async move {
            let place = place?;
            match catalog.page(&listing, PageRequest::after(Some(place))).await {
                Ok(page) => {
                    let mut bytes = Vec::new();
                    let next = part(&mut bytes, &mut writer, &page, &listing.order);
                    Some((Ok(bytes), (next, writer, listing)))
                }
                // The connection is cut, so that nobody takes the part for the whole.
                Err(error) => Some((Err(error), (None, writer, listing))),
            }
        }
    });
    let body = stream::iter([Ok::<_, Error>(opening)]).chain(rest);
    let body = background_runtime::stream_body(Body::from_stream(body));
    Ok(([(header::CONTENT_TYPE, format.media_type())], body).into_response())
}

/// Writes a page, and the end behind the last one; returns where to go on.
fn part(out: &mut Vec<u8>, writer: &mut Writer, page: &Page, order: &SortOrder) -> Option<Cursor> {
    writer.write(out, &page.products);
    let next = page.products.last().filter(|_| page.has_next).map(|last| Cursor::new(last, order));
    if next.is_none() {
        writer.end(out);
    }
    next
}
