//! `GET /products/changes`: what happens to products, as server-sent events.

use std::convert::Infallible;

use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as ServerSent, KeepAlive, Sse},
    },
};
use futures_util::StreamExt;
use serde::Deserialize;

use super::openapi;
use crate::{
    catalog::{Catalog, Change, ChangeKind, Error, Event, LogPosition, ProductSelection},
    formats::json,
    http::problem::Problem,
};

/// Which changes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesQuery {
    id: Option<String>,
}

/// The header that a browser sends when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";

/// The events `created`, `updated`, `stock_moved` and `deleted`, with the product's id, its version, when and, unless
/// it is gone, the product as it is now; and `resync`, when more happened than is known: then read the products again.
/// Without an end, but who takes them too slowly gets an `error` with the code `TOO_SLOW` and is let go.
#[utoipa::path(get, path = "/products/changes", tag = "products", operation_id = "followChanges", summary = "Follow the changes of products",
    params(
        ("id" = Option<String>, Query, description = "Only of these: `in` or `eq`", example = "in.1,2", pattern = r"^(eq\.[1-9][0-9]{0,14}|in\.[1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)$"),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on behind this event: the `id` of the last one that came"),
    ),
    responses(
        (status = 200, description = "The changes as they happen", body = String, content_type = "text/event-stream",
            example = "event: stock_moved\nid: 2f1-7\ndata: {\"id\":1,\"version\":\"1c0f3b5e7a9d2468\",\"at\":\"2026-11-25T09:30:00Z\",\"product\":{\"id\":1,\"name\":\"Laptop\",\"price\":999.99,\"amount\":7}}\n\n"),
        openapi::Malformed, openapi::Invalid, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn changes(
    State(catalog): State<Catalog>,
    headers: HeaderMap,
    query: Result<Query<ChangesQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(ChangesQuery { id }) = query.map_err(|error| Problem::malformed(error.body_text()))?;
    let followed = id.as_deref().map_or(Ok(ProductSelection::ALL), followed)?;
    let after = headers.get(LAST_EVENT_ID).map(|place| place.to_str().unwrap_or_default());
    let after = after.filter(|place| !place.is_empty()).map(place).transpose()?;
    let events = catalog.subscribe(followed, after).await?;
    let events =
        events.map(|event| Ok::<_, Infallible>(event.map_or_else(|error| failure(&error), server_sent)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn place(text: &str) -> Result<LogPosition, Error> {
    text.parse().map_err(|_| Error::invalid("Last-Event-ID", "is not the id of an event"))
}

fn followed(test: &str) -> Result<ProductSelection, Error> {
    match test.split_once('.') {
        Some(("in", ids)) => ProductSelection::from_ids(ids.split(','), "id"),
        Some(("eq", id)) => ProductSelection::from_ids([id].into_iter(), "id"),
        _ => Err(Error::invalid("id", "can be tested by eq or in")),
    }
}

fn failure(error: &Error) -> ServerSent {
    let data = serde_json::json!({ "code": error.code().as_str(), "detail": error.to_string() });
    ServerSent::default().event("error").data(data.to_string())
}

fn server_sent(event: Event) -> ServerSent {
    let place = event.position().to_string();
    let (kind, data) = match event {
        Event::Resync(_) => ("resync", "{}".to_owned()),
        Event::Change(change) => {
            let kind = match change.kind {
                ChangeKind::Created => "created",
                ChangeKind::Updated => "updated",
                ChangeKind::StockMoved => "stock_moved",
                ChangeKind::Deleted => "deleted",
            };
            let Change { position: _, kind: _, id, version, at, product } = change;
            let mut data = format!(r#"{{"id":{id},"version":"{version}","at":"{at}""#).into_bytes();
            if let Some(product) = &product {
                data.extend_from_slice(br#","product":"#);
                json::write_product(&mut data, product);
            }
            data.push(b'}');
            (kind, String::from_utf8(data).unwrap_or_default())
        }
    };
    ServerSent::default().event(kind).id(place).data(data)
}
