//! Writes answers as the GraphQL-over-HTTP specification has them (section 6), or as server-sent events (graphql-sse,
//! distinct connections mode).

use std::{collections::BTreeMap, convert::Infallible};

use async_graphql::{Response as Answer, ServerError, Value};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{FutureExt, StreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    graphql::{
        error,
        execution::{
            prebuilt_json::json,
            service::{Answers, failure},
        },
    },
    http::{content_negotiation::negotiate, problem::Problem},
    request_context,
};

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// As before the specification: the status tells nothing of the operation.
    Json,
    /// As the specification wants it.
    GraphQLResponse,
    /// One event for each answer.
    EventStream,
}

impl Media {
    /// What the client prefers; JSON for those that do not say, or want what there is not.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let known = |range: &str| match range {
            "application/graphql-response+json" => Some(Self::GraphQLResponse),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "text/event-stream" => Some(Self::EventStream),
            _ => None,
        };
        negotiate(headers, known).unwrap_or(Self::Json)
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphQLResponse => "application/graphql-response+json",
            Self::Json | Self::EventStream => "application/json",
        })
    }
}

/// An answer as clients see it.
#[derive(Serialize)]
pub struct Body<'a> {
    /// Without it nothing was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl<'a> From<&'a Answer> for Body<'a> {
    fn from(answer: &'a Answer) -> Self {
        let data = (!was_refused(answer)).then_some(&answer.data);
        Self { data, errors: &answer.errors, extensions: &answer.extensions }
    }
}

/// Whether nothing was tried: every field of the root can be null, so that answers have data otherwise.
pub fn was_refused(answer: &Answer) -> bool {
    answer.data == Value::Null && !answer.errors.is_empty()
}

/// One answer.
pub fn one(answer: &Answer, media: Media) -> Response {
    let status = if media != Media::Json && was_refused(answer) { status(answer) } else { StatusCode::OK };
    with_status(status, answer, media)
}

/// One without errors, by what `data` is in it, as JSON.
pub fn data(data: &[u8], media: Media) -> Response {
    with_body(StatusCode::OK, [b"{\"data\":", data, b"}"].concat(), media)
}

/// The answers to several requests, in order.
pub fn many(answers: &[Answer], media: Media) -> Response {
    respond(StatusCode::OK, &answers.iter().map(Body::from).collect::<Vec<_>>(), media)
}

/// Something is wrong with the HTTP request itself.
pub fn problem(problem: &Problem, media: Media) -> Response {
    let mut error = ServerError::new(problem.detail(), None);
    error.extensions.get_or_insert_default().set("code", problem.code());
    refusal(problem.status(), error, media)
}

/// Nothing was tried.
pub fn refusal(status: StatusCode, error: ServerError, media: Media) -> Response {
    with_status(status, &failure(error), media)
}

fn with_status(status: StatusCode, answer: &Answer, media: Media) -> Response {
    if status.is_server_error()
        && let Some(error) = answer.errors.first()
    {
        request_context::record_error_code(error::code(error));
    }
    respond(status, &Body::from(answer), media)
}

/// The answers as they come, and `complete` at the end; without that if the server goes away, so that clients come
/// back.
pub async fn events(answers: Answers, stop: CancellationToken) -> Response {
    // The head tells a client that its subscription stands; anything else is carried out before it.
    let is_subscription = answers.is_subscription();
    let mut answers = answers.standing().await.stream;
    let first = if is_subscription { answers.next().now_or_never().flatten() } else { answers.next().await };
    if let Some(first) = &first
        && was_refused(first)
        && status(first) == StatusCode::SERVICE_UNAVAILABLE
    {
        return one(first, Media::EventStream);
    }
    let next = |answer: Answer| {
        let json = String::from_utf8(json(&Body::from(&answer))).unwrap_or_default();
        Event::default().event("next").data(json)
    };
    // `EventSource` passes on only what has data.
    let complete = stream::iter([Event::default().event("complete").data("{}")]);
    let events = stream::iter(first).chain(answers).map(next).chain(complete);
    let events = events.take_until(stop.cancelled_owned()).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_name(header::ACCEPT));
    response
}

fn status(answer: &Answer) -> StatusCode {
    match answer.errors.first().map(error::code) {
        Some("TIMEOUT" | "TOO_MANY_SUBSCRIPTIONS" | "UNAVAILABLE") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn respond(status: StatusCode, body: &impl Serialize, media: Media) -> Response {
    with_body(status, json(body), media)
}

fn with_body(status: StatusCode, body: Vec<u8>, media: Media) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.content_type());
    headers.insert(header::VARY, HeaderValue::from_name(header::ACCEPT));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
