//! Handler of `GET /products`, which returns a page or streams the whole list.
//!
//! A stream reads the list page by page, with one query each. A database cursor would let a slow client hold
//! a connection and a snapshot.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};

use super::{
    RestState,
    list_query::{ListQuery, Window},
    openapi, response,
    response_format::ResponseFormat,
};
use crate::{
    background_runtime,
    catalog::Catalog,
    domain::{Cursor, Error, Listing, Page, PageRequest, Product, SortOrder},
    formats::{Format, Writer},
    http::{limits::budget::Budget, problem::Problem},
};

/// Lists products, all or page by page.
///
/// The response holds all products that match the filters. With `limit`, it holds one page and links to other pages
/// (RFC 8288).
#[utoipa::path(
    get,
    path = "/products",
    tag = "products",
    operation_id = "listProducts",
    params(openapi::ListParams, openapi::IdFilterParam, openapi::FilterParams, openapi::ReadAfterHeader),
    responses(
        (status = 200, description = "The products",
            content(
                (Vec<openapi::Product> = "application/json"),
                (String = "text/csv", example = "id,name,price,amount\r\n1,Laptop,999.99,10\r\n"),
                (String = "application/x-ndjson",
                    example = "{\"id\":1,\"name\":\"Laptop\",\"price\":999.99,\"amount\":10}\n")
            ),
            headers(
                ("Content-Disposition" = String, description = "Name of the file to save, with `format`"),
                ("Link" = String, description = "Links to the `first`, `prev` and `next` pages (RFC 8288)"),
                ("X-Total-Count" = u64, description = "Number of matching products, with `count=exact`")
            )),
        openapi::Malformed, openapi::Invalid, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn list(
    State(RestState { catalog, lists, .. }): State<RestState>,
    ResponseFormat(format): ResponseFormat,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = ListQuery::parse(query.as_deref().unwrap_or_default())?;
    let format = query.format.unwrap_or(format);
    match &query.window {
        Window::Page(request) if !query.count && request.is_short(&query.listing) => {
            respond(catalog, lists, format, query).await
        }
        _ => Box::pin(background_runtime::run(respond(catalog, lists, format, query))).await,
    }
}

async fn respond(
    catalog: Catalog,
    lists: Budget,
    format: Format,
    query: ListQuery,
) -> Result<Response, Problem> {
    let count = if query.count { Some(catalog.count(&query.listing.filter).await?) } else { None };
    let mut response = match &query.window {
        Window::Page(request) => {
            let page = catalog.page(&query.listing, request.clone()).await?;
            let mut response = response::products(StatusCode::OK, format, &page.products);
            if let Ok(links) = HeaderValue::try_from(links(&query, &page)) {
                response.headers_mut().insert(header::LINK, links);
            }
            response
        }
        Window::AllAfter(cursor) => {
            stream_all(catalog, &lists, query.listing, cursor.clone(), format).await?
        }
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    if let Some(format) = query.format
        && let Ok(disposition) =
            HeaderValue::try_from(format!("attachment; filename=products.{}", format.extension()))
    {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    if let Some(count) = count {
        response.headers_mut().insert("x-total-count", count.into());
    }
    Ok(response)
}

/// Returns the value of the `Link` header (RFC 8288).
fn links(query: &ListQuery, page: &Page) -> String {
    let cursor = |product: &Product| Cursor::new(product, &query.listing.order);
    let mut links = vec![query.link("first", None)];
    if let (Some(first), true) = (page.products.first(), page.has_previous) {
        links.push(query.link("prev", Some(("before", &cursor(first)))));
    }
    if let (Some(last), true) = (page.products.last(), page.has_next) {
        links.push(query.link("next", Some(("after", &cursor(last)))));
    }
    links.join(", ")
}

/// Returns a response with all products after the cursor; without a cursor, with all products.
///
/// # Errors
/// Returns the error of the first page, or a 503 problem if too many lists are being sent. Later errors abort the connection.
async fn stream_all(
    catalog: Catalog,
    lists: &Budget,
    listing: Listing,
    after: Option<Cursor>,
    format: Format,
) -> Result<Response, Problem> {
    // The first page is read before the status is sent, so that its failure becomes an error response.
    let first = catalog.page(&listing, PageRequest::after(after)).await?;
    if !first.has_next {
        return Ok(response::products(StatusCode::OK, format, &first.products));
    }
    // A list keeps its pages until the client has read them.
    let permit = lists.reserve_one()?;
    let mut first_chunk = Vec::new();
    let mut writer = Writer::new(format, &mut first_chunk);
    let cursor = write_page(&mut first_chunk, &mut writer, &first, &listing.order);
    let rest = stream::unfold((cursor, writer, listing), move |(cursor, mut writer, listing)| {
        let _permit = &permit;
        let catalog = catalog.clone();
        async move {
            let cursor = cursor?;
            match catalog.page(&listing, PageRequest::after(Some(cursor))).await {
                Ok(page) => {
                    let mut bytes = Vec::new();
                    let next = write_page(&mut bytes, &mut writer, &page, &listing.order);
                    Some((Ok(bytes), (next, writer, listing)))
                }
                // The error aborts the connection, so that the client detects the incomplete list.
                Err(error) => Some((Err(error), (None, writer, listing))),
            }
        }
    });
    let body = stream::iter([Ok::<_, Error>(first_chunk)]).chain(rest);
    let body = background_runtime::stream_body(Body::from_stream(body));
    Ok(([(header::CONTENT_TYPE, format.media_type())], body).into_response())
}

/// Appends a page to `out`. Returns the cursor of the next page. After the last page, appends the end of the
/// document and returns `None`.
fn write_page(out: &mut Vec<u8>, writer: &mut Writer, page: &Page, order: &SortOrder) -> Option<Cursor> {
    writer.write(out, &page.products);
    let next = page.products.last().filter(|_| page.has_next).map(|last| Cursor::new(last, order));
    if next.is_none() {
        writer.end(out);
    }
    next
}
