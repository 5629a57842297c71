//! GraphQL service: prepares and executes operations for all transports, and reports them to the observer.

use std::{convert::identity, slice, sync::Arc, time::Instant};

use async_graphql::{Name, Request, Response, ServerError, Value, parser::types::OperationType};
use futures_util::{StreamExt, stream};
use tokio::sync::Notify;
use tracing::Instrument;

use super::{
    document_cache::DocumentCache,
    limits::Limits,
    observer::{OperationKind, OperationObserver, Outcome},
    operation_request::OperationRequest,
    prepared_operation::{LibraryOperation, PreparedOperation},
    product_lookup::ProductLookup,
    response_stream::ResponseStream,
    spans,
    validation::SeparateValidation,
};
use crate::{
    audit, background_runtime,
    catalog::{Catalog, Writer},
    domain::Caller,
    graphql::{
        error::{self, GraphqlErrorCode, RequestError},
        schema::{self, Schema},
        subscription_signal::SubscriptionSignal,
    },
    http::{
        limits::{
            budget::{Budget, Reservation},
            request_rate::RequestRate,
        },
        problem::Problem,
    },
    trace_targets::export_enabled,
};

/// Executes GraphQL operations within the limits. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    schema: Schema,
    limits: Limits,
    /// Permits for concurrent requests, shared with the rest of the server.
    permits: Budget,
    subscriptions: Budget,
    /// `None` if the rate of requests is not limited.
    request_rate: Option<RequestRate>,
    observer: Arc<dyn OperationObserver>,
    documents: DocumentCache,
}

impl Service {
    /// Creates the service. Each query or mutation on a WebSocket takes one of `permits`, each subscription one of
    /// `subscriptions`. `request_rate` is `None` if the rate of requests is not limited.
    pub fn new(
        catalog: Catalog,
        limits: Limits,
        permits: Budget,
        subscriptions: Budget,
        request_rate: Option<RequestRate>,
        observer: Arc<dyn OperationObserver>,
    ) -> Self {
        let schema = build_schema(catalog.clone(), &limits);
        let documents = DocumentCache::default();
        let inner =
            Inner { catalog, schema, limits, permits, subscriptions, request_rate, observer, documents };
        Self(Arc::new(inner))
    }

    /// Returns a permit for a concurrent request, or an `OVERLOADED` error if no permit is free.
    pub(in crate::graphql) fn try_acquire_permit(&self) -> Result<Reservation, RequestError> {
        let overloaded = |problem: Problem| (GraphqlErrorCode::Overloaded, problem.detail().to_owned());
        self.0.permits.reserve_one().map_err(overloaded)
    }

    pub(in crate::graphql) fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    pub(in crate::graphql) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Counts a request that the middleware has not counted. Reports an error to the observer.
    ///
    /// # Errors
    /// Returns a `RATE_LIMITED` error if the caller exceeds its rate.
    pub(in crate::graphql) fn count_request(&self) -> Result<(), Box<ServerError>> {
        let counted = self.0.request_rate.as_ref().map_or(Ok(()), RequestRate::count);
        counted.map_err(|problem| {
            let error = error::from_problem(&problem);
            self.report_rejection(OperationKind::Unknown, None, &error);
            error.into()
        })
    }

    /// Prepares a request for execution if its caller has the scope that it needs, and does not exceed its rate. The
    /// request has been counted once. Reports an error to the observer.
    pub(in crate::graphql) fn prepare(
        &self,
        request: OperationRequest,
        caller: &Caller,
    ) -> Result<PreparedOperation, Box<ServerError>> {
        let Inner { limits, documents, request_rate, .. } = &*self.0;
        let prepared = PreparedOperation::new(request, documents, limits).and_then(|prepared| {
            let allowed = caller.require(prepared.scope()).inspect_err(audit::denied);
            allowed.map_err(|error| error::from_access_error(&error))?;
            if let Some(rate) = request_rate {
                rate.count_rest(prepared.requests()).map_err(|problem| error::from_problem(&problem))?;
            }
            Ok(prepared)
        });
        if let Err(error) = &prepared {
            self.report_rejection(OperationKind::Unknown, None, error);
        }
        prepared
    }

    /// Reports an operation that is rejected before execution to the observer.
    pub(in crate::graphql) fn report_rejection(
        &self,
        kind: OperationKind,
        name: Option<&str>,
        error: &ServerError,
    ) {
        self.0.observer.ended(kind, name, Outcome::Rejected, None);
        self.report_errors(slice::from_ref(error));
    }

    /// Executes a product lookup. Returns the response's `data` as JSON, or a response with an error.
    pub(in crate::graphql) async fn execute_lookup(
        &self,
        lookup: ProductLookup,
    ) -> Result<Vec<u8>, Response> {
        let Inner { catalog, limits, observer, .. } = &*self.0;
        let start = Instant::now();
        let name = lookup.name().map(Name::as_str);
        let execute = lookup.execute(catalog).instrument(spans::operation(OperationKind::Query, name));
        let result = tokio::time::timeout_at((start + limits.timeout).into(), execute).await;
        let result = result.unwrap_or_else(|_| Err(timeout_error()));
        let result = result.map_err(|error| self.finalize(error_response(error)));
        let outcome = Outcome::executed(result.is_err());
        observer.ended(OperationKind::Query, name, outcome, Some(start.elapsed()));
        result
    }

    /// Executes a query or a mutation and converts the response with `write`. Queries other than lookups run
    /// on the background runtime, because clients decide how long they take.
    pub(in crate::graphql) async fn execute<T: Send + 'static>(
        &self,
        prepared: PreparedOperation,
        write: impl FnOnce(Response) -> T + Send + 'static,
    ) -> T {
        let operation = match prepared {
            PreparedOperation::Lookup(lookup) => {
                let result = self.execute_lookup(lookup).await;
                return write(result.map_or_else(identity, |data| Response::new(Value::Binary(data.into()))));
            }
            PreparedOperation::Library(operation) => operation,
        };
        let start = Instant::now();
        if operation.kind != Some(OperationType::Query) {
            return write(self.execute_in_library(operation, start, None).await);
        }
        let service = self.clone();
        let work = async move { write(service.execute_in_library(operation, start, None).await) };
        Box::pin(background_runtime::run(work)).await
    }

    /// Executes an operation that was received at `start`. Its mutations use `writer`, by default the catalog.
    pub(in crate::graphql) async fn execute_in_library(
        &self,
        operation: Box<LibraryOperation>,
        start: Instant,
        writer: Option<Writer>,
    ) -> Response {
        let Inner { schema, limits, observer, .. } = &*self.0;
        let (kind, name) = (OperationKind::from(operation.kind), operation.name.clone());
        let field_order = operation.field_order.clone();
        let execute = async move {
            match operation.into_request(schema).await {
                Ok(request) => schema.execute(writer.into_iter().fold(request, Request::data)).await,
                Err(errors) => Response::from_errors(errors),
            }
        };
        let response = execute.instrument(spans::operation(kind, name.as_deref()));
        let response = tokio::time::timeout_at((start + limits.timeout).into(), response);
        let response = Box::pin(response).await.unwrap_or_else(|_| error_response(timeout_error()));
        let mut response = self.finalize(response);
        field_order.sort(&mut response.data);
        let outcome = Outcome::executed(!response.errors.is_empty());
        observer.ended(kind, name.as_deref(), outcome, Some(start.elapsed()));
        response
    }

    /// Adds error codes and failed fields to a response, and reports its errors.
    fn finalize(&self, mut response: Response) -> Response {
        error::add_codes(&mut response);
        error::null_failed_fields(&mut response);
        self.report_errors(&response.errors);
        response
    }

    fn report_errors(&self, errors: &[ServerError]) {
        errors.iter().map(error::code).for_each(|code| self.0.observer.failed(code));
    }

    /// Returns the responses to an operation of any kind. Polling the stream executes the operation.
    pub(in crate::graphql) fn execute_stream(&self, prepared: PreparedOperation) -> ResponseStream {
        let operation = match prepared {
            PreparedOperation::Library(operation) if operation.kind == Some(OperationType::Subscription) => {
                operation
            }
            prepared => {
                let service = self.clone();
                let stream = stream::once(async move { service.execute(prepared, identity).await }).boxed();
                return ResponseStream { stream, subscribed: None };
            }
        };
        let permit = match self.0.subscriptions.reserve_one() {
            Ok(permit) => permit,
            Err(problem) => return error_response(error::from_problem(&problem)).into(),
        };
        let subscribed = Arc::new(Notify::new());
        let (name, field_order) = (operation.name.clone(), operation.field_order.clone());
        let signal = SubscriptionSignal(subscribed.clone());
        let mut guard =
            SubscriptionGuard { service: self.clone(), name, outcome: Outcome::Ok, _permit: permit };
        let schema = self.0.schema.clone();
        let responses = stream::once(async move {
            match operation.into_request(&schema).await {
                Ok(request) => schema.execute_stream(request.data(signal)).left_stream(),
                Err(errors) => stream::iter([Response::from_errors(errors)]).right_stream(),
            }
        });
        let responses = responses.flatten().map(move |mut response| {
            error::add_codes(&mut response);
            field_order.sort(&mut response.data);
            if !response.errors.is_empty() {
                guard.outcome = Outcome::Error;
                guard.service.report_errors(&response.errors);
            }
            response
        });
        ResponseStream { stream: responses.boxed(), subscribed: Some(subscribed) }
    }
}

/// Guard that reports the end of a subscription when the subscription is dropped.
struct SubscriptionGuard {
    service: Service,
    name: Option<Name>,
    outcome: Outcome,
    _permit: Reservation,
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        let Self { service, name, outcome, .. } = self;
        service.0.observer.ended(OperationKind::Subscription, name.as_deref(), *outcome, None);
    }
}

fn build_schema(catalog: Catalog, limits: &Limits) -> Schema {
    // The library's depth limit is only a safeguard: `Limits` rejects such documents first, with a better
    // error.
    let schema = schema::builder().data(Writer::Catalog(catalog.clone())).data(catalog);
    let schema = schema.limit_recursive_depth(limits.depth.saturating_add(1));
    // Any extension slows down fields that are not prebuilt JSON, but validating every request would take
    // longer.
    let schema = schema.extension(SeparateValidation);
    // Suggestions would reveal the names that introspection hides.
    let schema = if limits.introspection { schema } else { schema.disable_suggestions() };
    if export_enabled() { schema.extension(spans::RootFieldSpans).finish() } else { schema.finish() }
}

/// Returns the error for an operation that exceeded the time limit.
pub(in crate::graphql) fn timeout_error() -> ServerError {
    let detail = "the request timed out: request less data, and check whether a mutation took effect";
    error::request_error((GraphqlErrorCode::Timeout, detail.to_owned()))
}

/// Returns a response with one error and no data.
pub(in crate::graphql) fn error_response(error: impl Into<Box<ServerError>>) -> Response {
    Response::from_errors(vec![*error.into()])
}
