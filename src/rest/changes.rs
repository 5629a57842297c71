//! Handler of `GET /products/changes`, which streams changes as server-sent events.

use std::convert::Infallible;

use axum::{
    extract::{Query, RawQuery, State},
    http::{HeaderMap, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures_util::StreamExt;
use serde::Deserialize;

use super::{RestState, filter_query, openapi};
use crate::{
    domain::{Change, ChangeKind, Error, Event, LogPosition, ProductSelection},
    formats::json,
    http::{problem::Problem, problem_code::ProblemCode, query_string},
};

/// Query parameters of `GET /products/changes`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesQuery {
    id: Option<String>,
}

/// Header with the id of the last event that the client received. Browsers send it when they reconnect.
const LAST_EVENT_ID: &str = "last-event-id";

/// Follows changes to products.
///
/// The response is a stream of server-sent events without an end, which Swagger UI cannot show. The events `created`,
/// `updated`, `stock_moved` and `deleted` carry the product's id, its version, the time and, unless it was deleted, the
/// current product. The event `resync` means that changes may have been missed: read the products again. A client that reads
/// too slowly gets an `error` event with the code `TOO_SLOW`, and the stream is closed.
///
/// ```text
/// event: stock_moved
/// id: 2f1-7
/// data: {"id":1,"version":"1c0f3b5e7a9d2468","at":"2026-11-25T09:30:00Z","product":{"id":1,"name":"Laptop","price":999.99,"amount":7}}
/// ```
#[utoipa::path(
    get,
    path = "/products/changes",
    tag = "products",
    operation_id = "followChanges",
    params(openapi::ChangesParams, openapi::LastEventIdHeader),
    responses(
        (status = 200, description = "The changes as they happen; the schema is that of the `data` of each event",
            body = openapi::ChangeEvent, content_type = "text/event-stream"),
        openapi::Malformed, openapi::Invalid, openapi::Internal, openapi::Unavailable
    )
)]
pub async fn changes(
    State(RestState { catalog, subscriptions, .. }): State<RestState>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
    query: Result<Query<ChangesQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    query_string::check_utf8(raw.as_deref())?;
    let Query(ChangesQuery { id }) = query.map_err(|error| Problem::malformed(error.body_text()))?;
    let selection = id.as_deref().map_or(Ok(ProductSelection::ALL), parse_selection)?;
    let after = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()).map(position);
    let permit = subscriptions.reserve_one()?;
    let events = catalog.subscribe(selection, after).await?;
    let events = events.map(move |event| {
        let _permit = &permit;
        Ok::<_, Infallible>(event.map_or_else(|error| error_event(&error), sse_event))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Returns the position in `Last-Event-ID`. An invalid id becomes a position that is in no log, because a browser
/// does not reconnect after an error response.
fn position(last_event_id: &HeaderValue) -> LogPosition {
    let text = last_event_id.to_str().unwrap_or_default();
    text.parse().unwrap_or(LogPosition::UNKNOWN)
}

fn parse_selection(filter: &str) -> Result<ProductSelection, Error> {
    match filter_query::split(filter) {
        ("in", ids) => ProductSelection::from_ids(ids.split(','), "id"),
        ("eq", id) => ProductSelection::from_ids([id].into_iter(), "id"),
        _ => Err(filter_query::invalid_operator("id", filter, &["eq", "in"])),
    }
}

fn error_event(error: &Error) -> SseEvent {
    let data = serde_json::json!({ "code": ProblemCode::from(error.code()), "detail": error.to_string() });
    SseEvent::default().event("error").data(data.to_string())
}

fn sse_event(event: Event) -> SseEvent {
    let position = event.position().to_string();
    let (name, data) = match event {
        Event::Resync(_) => ("resync", "{}".to_owned()),
        Event::Change(change) => {
            let name = match change.kind {
                ChangeKind::Created => "created",
                ChangeKind::Updated => "updated",
                ChangeKind::StockAdjusted => "stock_moved",
                ChangeKind::Deleted => "deleted",
            };
            let Change { position: _, kind: _, id, version, at, product } = change;
            let mut data = format!(r#"{{"id":{id},"version":"{version}","at":"{at}""#).into_bytes();
            if let Some(product) = &product {
                data.extend_from_slice(br#","product":"#);
                json::write_product(&mut data, product);
            }
            data.push(b'}');
            (name, String::from_utf8(data).unwrap_or_default())
        }
    };
    SseEvent::default().event(name).id(position).data(data)
}
