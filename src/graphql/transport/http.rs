//! GraphQL over HTTP: `POST` for everything, `GET` for queries, a page for browsers.

use std::convert::identity;

use async_graphql::{Request, ServerError, parser::types::OperationType};
use axum::{
    extract::{Query, Request as HttpRequest, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::{FutureExt, TryFutureExt, future::ready};

use super::{
    openapi, playground,
    request::{self, Parameters, Sent},
    response::{self, Media},
    websocket::{self, WebSockets},
};
use crate::{
    background_runtime,
    graphql::{
        GraphqlState,
        error::{self, GraphqlErrorCode},
        execution::{
            prepared_operation::Prepared,
            service::{Service, failure},
        },
    },
    http::{
        content_negotiation::negotiate,
        problem::Problem,
        request_body::{BodyLimits, JsonBody},
    },
};

/// Answers a query; gives browsers a page to write one, and opens sockets (graphql-transport-ws).
#[utoipa::path(get, path = "/graphql", tag = "graphql", operation_id = "graphqlGet", summary = "Ask a query, or open the playground",
    params(
        ("query" = Option<String>, Query, description = "The document", example = "{ products(first: 3) { nodes { id name } } }"),
        ("operationName" = Option<String>, Query, description = "Which of its operations"),
        ("variables" = Option<String>, Query, description = "A JSON object"),
        ("extensions" = Option<String>, Query, description = "A JSON object, like `persistedQuery`"),
    ),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 200, description = "The answer; a stream of them for `text/event-stream` (graphql-sse); the playground for browsers", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"),
            (String = "text/event-stream"), (String = "text/html"))),
        (status = 400, description = "No such request, or a document that can't be carried out", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"))),
        (status = 405, description = "A mutation: send it by POST", headers(("Allow" = String, description = "POST")), content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"))),
        (status = 503, description = "The database or the server is overloaded", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"), (serde_json::Value = "application/problem+json"))),
    )
)]
pub async fn get(
    State(GraphqlState { service, sockets, .. }): State<GraphqlState>,
    query: Result<Query<Parameters>, QueryRejection>,
    request: HttpRequest,
) -> Response {
    let headers = request.headers();
    if headers.contains_key(header::UPGRADE) {
        return websocket::open(service, sockets, request).await;
    }
    let media = Media::wanted(headers);
    let Query(parameters) = match query {
        Ok(parameters) => parameters,
        Err(error) => return response::problem(&Problem::malformed(error.body_text()), media),
    };
    if wants_page(headers, parameters.asks()) {
        return playground::page();
    }
    let prepared = match parameters.asked(service.limits().values) {
        Ok(asked) => service.prepare(asked),
        Err(problem) => return response::problem(&problem, media),
    };
    match prepared {
        Ok(prepared) if prepared.kind() == Some(OperationType::Mutation) => {
            let detail = "a mutation can't be sent by GET: send it by POST".to_owned();
            let error = error::refused((GraphqlErrorCode::MutationOverGet, detail));
            let mut response = response::refusal(StatusCode::METHOD_NOT_ALLOWED, error, media);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        }
        prepared => one(&service, &sockets, prepared, media).await,
    }
}

/// Browsers say that they want HTML; who does not say what, and asks nothing, gets the page as well.
fn wants_page(headers: &HeaderMap, asks: bool) -> bool {
    let known = |range: &str| match range {
        "text/html" | "application/xhtml+xml" => Some(true),
        "application/json" | "application/graphql-response+json" | "text/event-stream" => Some(false),
        "*/*" => Some(!asks),
        _ => None,
    };
    negotiate(headers, known).unwrap_or(!asks)
}

/// Answers a request (GraphQL over HTTP), or an array of them.
#[utoipa::path(post, path = "/graphql", tag = "graphql", operation_id = "graphqlPost", summary = "Ask a query or carry out a mutation",
    request_body(content = openapi::Request),
    responses(
        (status = 200, description = "The answer; a stream of them for `text/event-stream` (graphql-sse)", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "No such request, or a document that can't be carried out", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"))),
        (status = 408, description = "The body did not arrive in time", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"))),
        (status = 413, description = "The body is too large", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"))),
        (status = 415, description = "The body is no `application/json`", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"))),
        (status = 503, description = "The database or the server is overloaded", content(
            (serde_json::Value = "application/graphql-response+json"), (serde_json::Value = "application/json"), (serde_json::Value = "application/problem+json"))),
    )
)]
pub fn post(
    State(GraphqlState { service, sockets, body }): State<GraphqlState>,
    request: HttpRequest,
) -> impl Future<Output = Response> {
    let media = Media::wanted(request.headers());
    // What is awaited has no room for the request.
    let text = text(request, body);
    async move {
        match text.await {
            Ok(text) => {
                background_runtime::run_if_large(text.len(), answer_text(service, sockets, text, media)).await
            }
            Err(problem) => response::problem(&problem, media),
        }
    }
}

fn text(
    request: HttpRequest,
    limits: BodyLimits,
) -> impl Future<Output = Result<String, Problem>> + Send + use<> {
    // A page of another origin could send a body without a type and not be asked.
    if !request.headers().contains_key(header::CONTENT_TYPE) {
        return ready(Err(Problem::unsupported_media_type("application/json"))).left_future();
    }
    JsonBody::from_request_with(request, limits).map_ok(|JsonBody(text)| text).right_future()
}

async fn answer_text(service: Service, sockets: WebSockets, text: String, media: Media) -> Response {
    match request::read(&text, service.limits().values) {
        Ok(Sent::One(asked)) => one(&service, &sockets, service.prepare(asked), media).await,
        Ok(Sent::Batch(requests)) => Box::pin(background_runtime::run(batch(service, requests, media))).await,
        Err(problem) => response::problem(&problem, media),
    }
}

async fn one(
    service: &Service,
    sockets: &WebSockets,
    prepared: Result<Prepared, Box<ServerError>>,
    media: Media,
) -> Response {
    // Boxed: room for what is rare costs each lookup.
    match prepared {
        Ok(prepared) if media == Media::EventStream => {
            let events = response::events(service.answers(prepared), sockets.stopped());
            Box::pin(events).await.map(background_runtime::stream_body)
        }
        Err(refusal) if media == Media::EventStream => {
            Box::pin(response::events(failure(refusal).into(), sockets.stopped())).await
        }
        Ok(Prepared::Lookup(lookup)) => match service.look_up(lookup).await {
            Ok(data) => response::data(&data, media),
            Err(answer) => response::one(&answer, media),
        },
        Ok(prepared) => Box::pin(service.answer(prepared, move |answer| response::one(&answer, media))).await,
        Err(refusal) => response::one(&failure(refusal), media),
    }
}

async fn batch(service: Service, requests: Vec<Request>, media: Media) -> Response {
    let most = service.limits().batch;
    if most < 2 || requests.is_empty() || requests.len() > most || media == Media::EventStream {
        let detail = match most {
            0 | 1 => "send one request at a time: this server takes no arrays of them".to_owned(),
            _ => format!("send 1 to {most} requests at a time, and want JSON"),
        };
        let error = error::refused((GraphqlErrorCode::BatchTooLarge, detail));
        return response::refusal(StatusCode::BAD_REQUEST, error, media);
    }
    let mut answers = Vec::with_capacity(requests.len());
    // In order, as mutations within one request.
    for request in requests {
        answers.push(match service.prepare(request.into()) {
            Ok(prepared) => service.answer(prepared, identity).await,
            Err(refusal) => failure(refusal),
        });
    }
    response::many(&answers, media)
}
