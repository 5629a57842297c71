//! `Idempotency-Key` of mutations over HTTP. One key covers the whole request: all mutations of its document run
//! in one transaction, which also stores the response.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use async_graphql::{Response as GraphqlResponse, ServerError, parser::types::OperationType};
use axum::{http::StatusCode, response::Response};
use tokio::time::timeout_at;

use super::response::{self, ResponseMediaType};
use crate::{
    catalog::Writer,
    domain::{Caller, Error, Fingerprint, Idempotency, IdempotencyKey},
    graphql::{
        error::{self, GraphqlErrorCode},
        execution::{
            document_cache::document_hash,
            observer::OperationKind,
            operation_request::OperationRequest,
            prepared_operation::{LibraryOperation, PreparedOperation},
            service::{Service, error_response, timeout_error},
        },
        prebuilt_json::to_json,
    },
    http::{
        idempotency::{RequestDigest, execute_once},
        limits::stored_responses::StoredResponses,
        problem::Problem,
        stored_response::StoredResponse,
    },
};

/// Key of a request, or the problem of an invalid one, which only mutations report.
pub type SentKey = Box<Result<IdempotencyKey, Problem>>;

/// A request that may be executed, or the error of one that is rejected.
pub enum Prepared {
    KeyedMutation(Box<KeyedMutation>),
    /// Any other operation, whose key is ignored if it has one.
    Other(Result<PreparedOperation, Box<ServerError>>),
}

/// A mutation with an idempotency key.
pub struct KeyedMutation {
    key: Result<IdempotencyKey, Problem>,
    stored: StoredResponses,
    fingerprint: Fingerprint,
    operation: Box<LibraryOperation>,
}

/// Reason why a response is not stored.
enum Failure {
    /// The mutation was not executed, or its transaction was not committed.
    Rejected(ServerError),
    /// The mutation had server errors, so its transaction was rolled back.
    RolledBack(Vec<ServerError>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Rejected(error::request_error((error.code().into(), error.to_string())))
    }
}

/// Returns the 400 problem for a batch with an idempotency key.
pub fn batch_with_key() -> Problem {
    Problem::malformed(
        "Idempotency-Key applies to one request: send the requests one by one, each with its own key",
    )
}

/// Prepares a request for execution.
pub fn prepare(
    service: &Service,
    request: OperationRequest,
    caller: &Caller,
    key: Option<(SentKey, StoredResponses)>,
) -> Prepared {
    let keyed = key.map(|(key, stored)| (*key, stored, fingerprint(&request)));
    match (keyed, service.prepare(request, caller)) {
        (Some((key, stored, fingerprint)), Ok(PreparedOperation::Library(operation)))
            if operation.kind == Some(OperationType::Mutation) =>
        {
            Prepared::KeyedMutation(Box::new(KeyedMutation { key, stored, fingerprint, operation }))
        }
        (_, prepared) => Prepared::Other(prepared),
    }
}

fn fingerprint(request: &OperationRequest) -> Fingerprint {
    let OperationRequest { query, operation_name, variables, extensions } = request;
    let mut digest = RequestDigest::default();
    digest.add(b"GraphQL");
    digest.add(&document_hash(query, extensions).unwrap_or_default());
    digest.add(operation_name.as_deref().unwrap_or_default().as_bytes());
    digest.add(&to_json(variables));
    digest.finish()
}

impl KeyedMutation {
    /// Executes the mutation and stores its response, or returns the response stored for the same key. A
    /// response with a server error is not stored, and none of its mutations has an effect.
    pub async fn execute(self, service: Service, media_type: ResponseMediaType) -> Response {
        let Self { key, stored, fingerprint, operation } = self;
        let key = match key {
            Ok(key) if media_type != ResponseMediaType::EventStream => key,
            Ok(_) => return response::problem(&event_stream_with_key(), media_type),
            Err(problem) => return response::problem(&problem, media_type),
        };
        let request = Idempotency { key, fingerprint };
        let name = operation.name.clone();
        match execute_in_time(&service, stored, request, operation, media_type).await {
            Ok(response) => response,
            Err(Failure::RolledBack(errors)) => {
                response::single(&GraphqlResponse::from_errors(errors), media_type)
            }
            Err(Failure::Rejected(error)) => {
                service.report_rejection(OperationKind::Mutation, name.as_deref(), &error);
                rejection(error, media_type)
            }
        }
    }
}

/// Executes the mutation in a transaction. Its time limit includes the wait for the transaction.
async fn execute_in_time(
    service: &Service,
    stored: StoredResponses,
    request: Idempotency,
    mutation: Box<LibraryOperation>,
    media_type: ResponseMediaType,
) -> Result<Response, Failure> {
    let start = Instant::now();
    let has_begun = Arc::<AtomicBool>::default();
    let (executor, begins) = (service.clone(), has_begun.clone());
    let work = async move |writer: Writer| {
        begins.store(true, Relaxed);
        let response = executor.execute_in_library(mutation, start, Some(writer)).await;
        to_stored(response, media_type).await
    };
    let mut execution = pin!(execute_once(service.catalog().clone(), stored, request, work));
    match timeout_at((start + service.limits().timeout).into(), &mut execution).await {
        Ok(result) => result,
        // The mutation itself ends at the same time, and its transaction is rolled back.
        Err(_) if has_begun.load(Relaxed) => execution.await,
        Err(_) => Err(Failure::Rejected(timeout_error())),
    }
}

/// Returns the response to a mutation that was not executed. The media type does not affect the status of a
/// rejected key, because it concerns the HTTP request, not the document.
fn rejection(error: ServerError, media_type: ResponseMediaType) -> Response {
    match error::code(&error) {
        GraphqlErrorCode::IdempotencyKeyReused => {
            response::request_error(StatusCode::UNPROCESSABLE_ENTITY, error, media_type)
        }
        GraphqlErrorCode::IdempotencyKeyInUse => {
            response::request_error(StatusCode::CONFLICT, error, media_type)
        }
        GraphqlErrorCode::Overloaded => {
            response::request_error(StatusCode::SERVICE_UNAVAILABLE, error, media_type)
        }
        _ => response::single(&error_response(error), media_type),
    }
}

/// Returns the 400 problem for a mutation as an event stream with an idempotency key, because event streams are not
/// stored.
fn event_stream_with_key() -> Problem {
    Problem::malformed("a mutation with an Idempotency-Key has no event stream: accept application/json")
}

/// Returns the response to store. If it has server errors, returns these without the data, because the changes
/// in the data are going to be rolled back.
async fn to_stored(
    response: GraphqlResponse,
    media_type: ResponseMediaType,
) -> Result<StoredResponse, Failure> {
    if response.errors.iter().any(is_server_error) {
        return Err(Failure::RolledBack(response.errors.into_iter().filter(is_server_error).collect()));
    }
    Ok(StoredResponse::from_response(response::single(&response, media_type)).await?)
}

fn is_server_error(error: &ServerError) -> bool {
    error::code(error).is_server_error()
}
