//! GraphQL over HTTP: `POST` for all operations, `GET` for queries and the playground.

use async_graphql::{ServerError, parser::types::OperationType};
use axum::{
    extract::{Query, Request as HttpRequest, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    batch,
    idempotency::{self, Prepared, SentKey},
    openapi, playground,
    request::{self, Parameters, RequestBody},
    response::{self, ResponseMediaType},
    websocket::{self, WebSockets},
};
use crate::{
    background_runtime,
    domain::Caller,
    graphql::{
        GraphqlState,
        error::{self, GraphqlErrorCode},
        execution::{
            operation_request::OperationRequest,
            prepared_operation::PreparedOperation,
            service::{Service, error_response},
        },
    },
    http::{
        body_text::BodyText, content_negotiation::negotiate, idempotency::read_key,
        limits::stored_responses::StoredResponses, problem::Problem, query_string, request_body::JsonBody,
        unsent_response::mark_unchanged, upgrade::requests_websocket,
    },
    request_context,
};

/// Executes a query or opens the playground.
///
/// A WebSocket (graphql-transport-ws) has the same address.
#[utoipa::path(
    get,
    path = "/graphql",
    tag = "graphql",
    operation_id = "graphqlGet",
    params(
        ("query" = Option<String>, Query, description = "GraphQL document",
            example = "{ products(first: 3) { nodes { id name } } }"),
        ("operationName" = Option<String>, Query, description = "Name of the operation to execute"),
        ("variables" = Option<String>, Query, description = "Variables as a JSON object"),
        ("extensions" = Option<String>, Query,
            description = "Protocol extensions as a JSON object, such as `persistedQuery`"),
        ("X-Read-After" = Option<String>, Header, pattern = "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$",
            description = "`X-Read-After` of a response to a write; queries include that write, even if they ask a \
                replica"),
    ),
    responses(
        (status = 101, description = "WebSocket opened"),
        (status = 200,
            description = "GraphQL response, a stream of responses for `text/event-stream` (graphql-sse), or the \
                playground for browsers",
            content(
                (openapi::GraphqlResponse = "application/graphql-response+json"),
                (openapi::GraphqlResponse = "application/json"),
                (String = "text/event-stream"),
                (String = "text/html"),
            )),
        (status = 405, description = "Mutations are not allowed with GET; use POST",
            headers(("Allow" = String, description = "POST")),
            content(
                (openapi::GraphqlResponse = "application/graphql-response+json"),
                (openapi::GraphqlResponse = "application/json"),
            )),
        openapi::GetErrors,
    )
)]
pub async fn get(
    State(GraphqlState { service, sockets, access, body, playground: has_playground, .. }): State<
        GraphqlState,
    >,
    query: Result<Query<Parameters>, QueryRejection>,
    request: HttpRequest,
) -> Response {
    let headers = request.headers();
    if requests_websocket(&request) {
        return websocket::open(service, &sockets, access, body.memory().clone(), request);
    }
    let media_type = ResponseMediaType::negotiate(headers);
    let query = query_string::check_utf8(request.uri().query())
        .and_then(|()| query.map_err(|error| Problem::malformed(error.body_text())));
    let Query(parameters) = match query {
        Ok(parameters) => parameters,
        Err(problem) => return response::problem(&problem, media_type),
    };
    if has_playground && wants_playground(headers, parameters.has_query()) {
        return playground::page();
    }
    let prepared = match parameters.into_request(service.limits().values) {
        Ok(request) => service.prepare(request, &caller()),
        Err(problem) => return response::problem(&problem, media_type),
    };
    match prepared {
        Ok(prepared) if prepared.kind() == Some(OperationType::Mutation) => {
            let detail = "mutations are not allowed with GET: use POST".to_owned();
            let error = error::request_error((GraphqlErrorCode::MutationOverGet, detail));
            let mut response = response::request_error(StatusCode::METHOD_NOT_ALLOWED, error, media_type);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        }
        prepared => execute_single(&service, &sockets, prepared, media_type).await,
    }
}

/// Returns whether to send the playground. Browsers request HTML explicitly. Clients without a preference get
/// the playground only if they send no query.
fn wants_playground(headers: &HeaderMap, has_query: bool) -> bool {
    let supported = |range: &str| match range {
        "text/html" | "application/xhtml+xml" => Some(true),
        "application/json" | "application/graphql-response+json" | "text/event-stream" => Some(false),
        "*/*" => Some(!has_query),
        _ => None,
    };
    negotiate(headers, supported).unwrap_or(!has_query)
}

/// Executes a query, mutation or subscription.
///
/// The request follows the GraphQL over HTTP specification. Arrays of requests need `STOCKMETER_GRAPHQL_BATCH`.
#[utoipa::path(
    post,
    path = "/graphql",
    tag = "graphql",
    operation_id = "graphqlPost",
    params(
        ("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[!#-~]{1,255}"|[!#-~]{1,255})$"#,
            description = "Unique key for this request. A mutation with the same key, document and variables \
                returns the first response again. Queries and subscriptions ignore the key"),
        ("X-Read-After" = Option<String>, Header, pattern = "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$",
            description = "`X-Read-After` of a response to a write; queries include that write, even if they ask a \
                replica"),
    ),
    request_body(content = openapi::GraphqlRequest),
    responses(
        (status = 200,
            description = "GraphQL response, or a stream of responses for `text/event-stream` (graphql-sse)",
            content(
                (openapi::GraphqlResponse = "application/graphql-response+json"),
                (openapi::GraphqlResponse = "application/json"),
                (String = "text/event-stream"),
            )),
        openapi::PostErrors,
    )
)]
pub fn post(
    State(GraphqlState { service, sockets, body, .. }): State<GraphqlState>,
    request: HttpRequest,
) -> impl Future<Output = Response> {
    let media_type = ResponseMediaType::negotiate(request.headers());
    // Boxed, because most requests have no key.
    let key = read_key(request.headers()).transpose().map(Box::new);
    // This future is created outside the async block, which would otherwise store the request.
    let stored = key.as_ref().map(|_| body.stored_responses().clone());
    let body = JsonBody::from_request_with(request, body);
    async move {
        match body.await {
            Ok(JsonBody(body)) => {
                let size = body.len();
                let response = execute_body(service, sockets, body, media_type, key.zip(stored));
                background_runtime::run_if_large(size, response).await
            }
            Err(problem) => {
                let mut response = response::problem(&problem, media_type);
                problem.add_header(response.headers_mut());
                response
            }
        }
    }
}

async fn execute_body(
    service: Service,
    sockets: WebSockets,
    body: BodyText,
    media_type: ResponseMediaType,
    key: Option<(SentKey, StoredResponses)>,
) -> Response {
    match request::parse_body(&body, service.limits().values) {
        Ok(RequestBody::Single(request)) => match idempotency::prepare(&service, request, &caller(), key) {
            Prepared::KeyedMutation(mutation) => Box::pin(mutation.execute(service, media_type)).await,
            Prepared::Other(prepared) => execute_single(&service, &sockets, prepared, media_type).await,
        },
        Ok(RequestBody::Batch(_)) if key.is_some() => {
            response::problem(&idempotency::batch_with_key(), media_type)
        }
        Ok(RequestBody::Batch(requests)) => {
            let requests = requests.into_iter().map(OperationRequest::into_owned).collect();
            Box::pin(background_runtime::run(batch::execute(service, requests, caller(), media_type))).await
        }
        Err(problem) => response::problem(&problem, media_type),
    }
}

/// Returns the caller that the middleware has authenticated.
fn caller() -> Caller {
    request_context::caller().unwrap_or_default()
}

async fn execute_single(
    service: &Service,
    sockets: &WebSockets,
    prepared: Result<PreparedOperation, Box<ServerError>>,
    media_type: ResponseMediaType,
) -> Response {
    let is_event_stream = media_type == ResponseMediaType::EventStream;
    // Rare cases are boxed, because they would enlarge the future of every lookup.
    match prepared {
        Ok(prepared) if is_event_stream && prepared.kind() == Some(OperationType::Subscription) => {
            let events = response::sse(service.execute_stream(prepared), sockets.stopped());
            Box::pin(events).await.map(background_runtime::stream_body)
        }
        Ok(PreparedOperation::Lookup(lookup)) if !is_event_stream => {
            match service.execute_lookup(lookup).await {
                Ok(data) => mark_unchanged(response::data(&data, media_type)),
                Err(response) => response::single(&response, media_type),
            }
        }
        Ok(prepared) => {
            let is_mutation = prepared.kind() == Some(OperationType::Mutation);
            let write = move |response| response::single(&response, media_type);
            let response = Box::pin(service.execute(prepared, write)).await;
            if is_mutation { response } else { mark_unchanged(response) }
        }
        Err(error) => response::single(&error_response(error), media_type),
    }
}
