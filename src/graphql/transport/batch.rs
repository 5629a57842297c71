//! Batches: several requests in one body.

use std::convert::identity;

use async_graphql::parser::types::OperationType;
use axum::{http::StatusCode, response::Response};

use super::response::{self, ResponseMediaType};
use crate::{
    domain::Caller,
    graphql::{
        error::{self, GraphqlErrorCode},
        execution::{
            operation_request::OperationRequest,
            service::{Service, error_response},
        },
    },
    http::unsent_response::mark_unchanged,
};

/// Executes the requests and returns the response with all results.
pub async fn execute(
    service: Service,
    requests: Vec<OperationRequest<'static>>,
    caller: Caller,
    media_type: ResponseMediaType,
) -> Response {
    let max = service.limits().batch;
    if max < 2 || requests.is_empty() || requests.len() > max || media_type == ResponseMediaType::EventStream
    {
        let detail = match max {
            0 | 1 => "batches are disabled on this server: send one request at a time".to_owned(),
            _ => format!("invalid batch: send 1 to {max} requests and accept JSON"),
        };
        let error = error::request_error((GraphqlErrorCode::BatchTooLarge, detail));
        return response::request_error(StatusCode::BAD_REQUEST, error, media_type);
    }
    let mut responses = Vec::with_capacity(requests.len());
    let mut has_mutation = false;
    // Requests are executed one by one, like the mutations of one request.
    for (index, request) in requests.into_iter().enumerate() {
        // The middleware has counted the first one.
        let counted = if index == 0 { Ok(()) } else { service.count_request() };
        responses.push(match counted.and_then(|()| service.prepare(request, &caller)) {
            Ok(prepared) => {
                has_mutation |= prepared.kind() == Some(OperationType::Mutation);
                service.execute(prepared, identity).await
            }
            Err(error) => error_response(error),
        });
    }
    let response = response::batch(&responses, media_type);
    if has_mutation { response } else { mark_unchanged(response) }
}
