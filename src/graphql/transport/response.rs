//! HTTP responses: JSON (GraphQL over HTTP, section 6) and server-sent events (graphql-sse, distinct
//! connections mode).

use std::{collections::BTreeMap, convert::Infallible};

use async_graphql::{Response as GraphqlResponse, ServerError, Value};
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
        error::{self, GraphqlErrorCode},
        execution::{response_stream::ResponseStream, service::error_response},
        prebuilt_json::to_json,
    },
    http::{
        content_negotiation::negotiate,
        problem::{Problem, RETRY_AFTER_SECONDS},
    },
    request_context,
};

/// Media type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMediaType {
    /// Legacy type: the status is 200 even if the document is rejected.
    Json,
    /// Type of the specification: rejected documents have an error status.
    GraphQLResponse,
    /// Server-sent events, one for each response.
    EventStream,
}

impl ResponseMediaType {
    /// Returns the type that the `Accept` header prefers, or JSON if it accepts no supported type.
    pub fn negotiate(headers: &HeaderMap) -> Self {
        let supported = |range: &str| match range {
            "application/graphql-response+json" => Some(Self::GraphQLResponse),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "text/event-stream" => Some(Self::EventStream),
            _ => None,
        };
        negotiate(headers, supported).unwrap_or(Self::Json)
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphQLResponse => "application/graphql-response+json",
            Self::Json | Self::EventStream => "application/json",
        })
    }
}

/// Serialized form of a response.
#[derive(Serialize)]
pub struct ResponseBody<'a> {
    /// `None` if the response has only errors, see [`is_request_error`].
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl<'a> From<&'a GraphqlResponse> for ResponseBody<'a> {
    fn from(response: &'a GraphqlResponse) -> Self {
        let data = (!is_request_error(response)).then_some(&response.data);
        Self { data, errors: &response.errors, extensions: &response.extensions }
    }
}

/// Returns whether a response has errors and no data. Such an operation was rejected, has timed out, or is a
/// failed subscription. Other operations have data, because all root fields are nullable.
pub fn is_request_error(response: &GraphqlResponse) -> bool {
    response.data == Value::Null && !response.errors.is_empty()
}

/// Returns the HTTP response for one operation, which is not a subscription.
pub fn single(response: &GraphqlResponse, media_type: ResponseMediaType) -> Response {
    let error_status = is_request_error(response).then(|| status(response));
    // The client library graphql-sse reads errors of the document only from events.
    if media_type == ResponseMediaType::EventStream
        && error_status.is_none_or(|status| status == StatusCode::BAD_REQUEST)
    {
        return events(response);
    }
    let status = match error_status {
        // Gateways and clients recognise these statuses, whatever the media type is.
        Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS)) => {
            status
        }
        Some(status) if media_type != ResponseMediaType::Json => status,
        _ => StatusCode::OK,
    };
    with_status(status, response, media_type)
}

/// Returns the HTTP response for a successful operation. `data` is JSON.
pub fn data(data: &[u8], media_type: ResponseMediaType) -> Response {
    with_body(StatusCode::OK, [b"{\"data\":", data, b"}"].concat(), media_type)
}

/// Returns the HTTP response for a batch. `responses` has the order of the requests.
pub fn batch(responses: &[GraphqlResponse], media_type: ResponseMediaType) -> Response {
    respond(StatusCode::OK, &responses.iter().map(ResponseBody::from).collect::<Vec<_>>(), media_type)
}

/// Returns the HTTP response for an invalid HTTP request.
pub fn problem(problem: &Problem, media_type: ResponseMediaType) -> Response {
    request_error(problem.status(), error::from_problem(problem), media_type)
}

/// Returns the HTTP response for a request that is rejected before execution.
pub fn request_error(status: StatusCode, error: ServerError, media_type: ResponseMediaType) -> Response {
    with_status(status, &error_response(error), media_type)
}

fn with_status(status: StatusCode, response: &GraphqlResponse, media_type: ResponseMediaType) -> Response {
    if status.is_server_error()
        && let Some(error) = response.errors.first()
    {
        request_context::record_error_code(error::code(error).name());
    }
    let mut http_response = respond(status, &ResponseBody::from(response), media_type);
    if let Some(challenge) = challenge(response) {
        http_response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = response.errors.first().and_then(error::retry_after) {
        http_response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    http_response
}

/// Returns the challenge for an error of the access control, otherwise `None` (RFC 6750 section 3).
fn challenge(response: &GraphqlResponse) -> Option<HeaderValue> {
    let error = response.errors.first()?;
    let challenge = match error::code(error) {
        GraphqlErrorCode::Unauthorized => r#"Bearer realm="stockmeter""#.to_owned(),
        GraphqlErrorCode::Forbidden => {
            let Some(Value::String(scope)) = error.extensions.as_ref().and_then(|values| values.get("scope"))
            else {
                return None;
            };
            format!(r#"Bearer realm="stockmeter", error="insufficient_scope", scope="{scope}""#)
        }
        _ => return None,
    };
    HeaderValue::try_from(challenge).ok()
}

/// Returns the only response of an operation as server-sent events. It is no stream, so that its size is known.
fn events(response: &GraphqlResponse) -> Response {
    let json = to_json(&ResponseBody::from(response));
    let body = [b"event: next\ndata: ".as_slice(), &json, b"\n\nevent: complete\ndata: {}\n\n"].concat();
    let mut response = with_body(StatusCode::OK, body, ResponseMediaType::EventStream);
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Returns the responses to a subscription as server-sent events, with a final `complete` event. A shutdown ends the
/// stream without `complete`, so that clients reconnect.
pub async fn sse(responses: ResponseStream, stop: CancellationToken) -> Response {
    // An error can change the status, so the headers are sent only after the subscription has started.
    let mut responses = responses.wait_until_subscribed().await.stream;
    let first = responses.next().now_or_never().flatten();
    if let Some(first) = &first
        && is_request_error(first)
        && status(first) != StatusCode::BAD_REQUEST
    {
        return single(first, ResponseMediaType::EventStream);
    }
    let next = |response: GraphqlResponse| {
        let json = String::from_utf8(to_json(&ResponseBody::from(&response))).unwrap_or_default();
        Event::default().event("next").data(json)
    };
    // `EventSource` ignores events without data.
    let complete = stream::iter([Event::default().event("complete").data("{}")]);
    let events = stream::iter(first).chain(responses).map(next).chain(complete);
    let events = events.take_until(stop.cancelled_owned()).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_name(header::ACCEPT));
    response
}

fn status(response: &GraphqlResponse) -> StatusCode {
    match response.errors.first().map(error::code) {
        Some(
            GraphqlErrorCode::Timeout
            | GraphqlErrorCode::Overloaded
            | GraphqlErrorCode::TooManySubscriptions
            | GraphqlErrorCode::Unavailable,
        ) => StatusCode::SERVICE_UNAVAILABLE,
        Some(GraphqlErrorCode::RateLimited) => StatusCode::TOO_MANY_REQUESTS,
        Some(GraphqlErrorCode::Unauthorized) => StatusCode::UNAUTHORIZED,
        Some(GraphqlErrorCode::Forbidden) => StatusCode::FORBIDDEN,
        Some(GraphqlErrorCode::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn respond(status: StatusCode, body: &impl Serialize, media_type: ResponseMediaType) -> Response {
    with_body(status, to_json(body), media_type)
}

fn with_body(status: StatusCode, body: Vec<u8>, media_type: ResponseMediaType) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.content_type());
    headers.insert(header::VARY, HeaderValue::from_name(header::ACCEPT));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}
