//! The way of every operation, however it came: limits, parsing, execution, codes, order.

use std::{
    convert::identity,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{
    Name, Request, Response, ServerError,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::{
    documents::{Documents, Known},
    error::{self, ErrorCode, Refusal},
    limits::Limits,
    lookup::Lookup,
    ready::Merging,
    schema::{self, Schema},
    shape::Shape,
    spans,
    validation::{Kinds, Validation},
};
use crate::{aside, catalog::Catalog};

/// The schema within its limits. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    schema: Schema,
    limits: Limits,
    /// Shared with all requests of the server.
    places: Arc<Semaphore>,
    watch: Arc<dyn Watch>,
    documents: Documents,
}

/// Is told what becomes of operations.
pub trait Watch: Send + Sync {
    /// An operation has ended, after this time unless it is a subscription, or was refused.
    fn ended(&self, kind: &'static str, name: Option<&str>, outcome: &'static str, time: Option<Duration>);
    /// An answer has an error with this code.
    fn failed(&self, code: &'static str);
}

/// An operation that may be carried out.
pub(super) struct Prepared {
    execution: Execution,
    lookup: Option<Lookup>,
    shape: Arc<Shape>,
    /// What it is; none where the document does not have the operation that the request names.
    pub operation: Option<OperationType>,
    name: Option<Name>,
}

/// What the library needs to carry an operation out.
struct Execution {
    /// Boxed: it is large, and handed on.
    request: Box<Request>,
    known: Arc<Known>,
    validation: Option<Validation>,
    repeats: bool,
}

impl Execution {
    fn request(self) -> Request {
        let Self { request, known, validation, repeats } = self;
        let mut request = *request;
        // The library wants a document of its own: a copy costs a fraction of parsing it.
        request.set_parsed_query(known.document.clone());
        if let Some(validation) = validation {
            request = request.data(validation);
        }
        if repeats { request.data(Merging) } else { request }
    }
}

/// The answers to an operation.
pub(super) struct Answers {
    pub stream: BoxStream<'static, Response>,
    /// Of a subscription: told when it stands.
    subscribed: Option<Arc<Notify>>,
}

impl Answers {
    /// Whether there can be any number of them.
    pub fn is_subscription(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Keeps something until the end.
    pub fn holding(self, held: impl Send + 'static) -> Self {
        let stream = self.stream.map(move |answer| {
            let _held = &held;
            answer
        });
        Self { stream: stream.boxed(), ..self }
    }

    /// Waits until a subscription stands, so that no change behind that is missed, or has failed.
    pub async fn standing(mut self) -> Self {
        if let Some(subscribed) = self.subscribed.take() {
            let first = tokio::select! {
                biased;
                first = self.stream.next() => first,
                () = subscribed.notified() => None,
            };
            self.stream = stream::iter(first).chain(self.stream).boxed();
        }
        self
    }
}

impl From<Response> for Answers {
    fn from(answer: Response) -> Self {
        Self { stream: stream::iter([answer]).boxed(), subscribed: None }
    }
}

/// In the data of a request: to be told when its subscription stands.
pub(super) struct Subscribed(pub Arc<Notify>);

impl Service {
    /// Over this catalog. Each operation of a socket takes one of the places that requests take.
    pub fn new(catalog: Catalog, limits: Limits, places: Arc<Semaphore>, watch: Arc<dyn Watch>) -> Self {
        let schema = schema::build(catalog, &limits);
        Self(Arc::new(Inner { schema, limits, places, watch, documents: Documents::default() }))
    }

    /// A place among the requests under way.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let overloaded = || {
            let detail = "the server has too many requests at the moment: try again";
            (ErrorCode::Overloaded, detail.to_owned())
        };
        self.0.places.clone().try_acquire_owned().map_err(|_| overloaded())
    }

    /// The limits.
    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Reads the document and holds it against the limits.
    pub(super) fn prepare(&self, request: Box<Request>) -> Result<Prepared, Box<ServerError>> {
        let prepared = self.check(request);
        if let Err(refusal) = &prepared {
            self.0.watch.ended("unknown", None, "refused", None);
            self.report(std::slice::from_ref(&**refusal));
        }
        prepared
    }

    fn check(&self, mut request: Box<Request>) -> Result<Prepared, Box<ServerError>> {
        let Inner { limits, documents, .. } = &*self.0;
        let new = documents.find_text(&mut request).map_err(error::refused)?;
        let known = documents.parse(&request.query, limits)?;
        let operation = operation(&known.document, request.operation_name.as_deref());
        let kinds = operation.and_then(|(_, operation)| Kinds::of(operation, &request.variables));
        let validation = known.found.clone().zip(kinds).map(|(found, kinds)| Validation { found, kinds });
        // A valid document has been held against the limits before.
        let is_valid = validation.as_ref().is_some_and(Validation::is_over);
        let lookup = if is_valid { Lookup::of(&known, &request.variables) } else { None };
        if lookup.is_none() {
            limits.check(&known.document, &request.variables).map_err(error::refused)?;
        }
        let shape = operation.map(|(_, operation)| known.shape(operation)).unwrap_or_default();
        // Only what may be carried out is worth its place.
        documents.keep(new, &request.query, &known);
        let name = operation.and_then(|(name, _)| name).cloned();
        let operation = operation.map(|(_, operation)| operation.ty);
        if operation == Some(OperationType::Subscription) && shape.fields() != 1 {
            // GraphQL specification, section 5.2.3.1.
            let detail = "a subscription has exactly one field of the root".to_owned();
            return Err(error::refused((ErrorCode::Invalid, detail)).into());
        }
        let execution = Execution { request, known, validation, repeats: shape.repeats };
        Ok(Prepared { execution, lookup, shape, operation, name })
    }

    /// Answers a query or a mutation, and makes of the answer what is wanted. Queries aside, since how long they take is up to
    /// who asks, but for plain ones for one product.
    pub(super) async fn answer<T: Send + 'static>(
        &self,
        prepared: Prepared,
        write: impl FnOnce(Response) -> T + Send + 'static,
    ) -> T {
        let start = Instant::now();
        if prepared.operation != Some(OperationType::Query) || prepared.lookup.is_some() {
            return write(self.carry_out(prepared, start).await);
        }
        let service = self.clone();
        Box::pin(aside::run(async move { write(service.carry_out(prepared, start).await) })).await
    }

    async fn carry_out(&self, prepared: Prepared, start: Instant) -> Response {
        let Inner { schema, limits, watch, .. } = &*self.0;
        let Prepared { execution, lookup, shape, operation, name } = prepared;
        let answer = async {
            let found = match lookup.as_ref().zip(schema.data()) {
                Some((lookup, catalog)) => lookup.answer(catalog).await,
                None => None,
            };
            match found {
                Some(found) => found,
                None => Box::pin(schema.execute(execution.request())).await,
            }
        };
        let answer = answer.instrument(spans::operation(kind(operation), name.as_deref()));
        let answer = tokio::time::timeout_at((start + limits.timeout).into(), answer);
        let mut response = answer.await.unwrap_or_else(|_| {
            let detail = "the request took too long: ask for less; what it changes may still be carried out";
            failure(error::refused((ErrorCode::Timeout, detail.to_owned())))
        });
        error::clean(&mut response);
        error::show_failed_fields(&mut response);
        shape.sort(&mut response.data);
        let outcome = if response.errors.is_empty() { "ok" } else { "error" };
        watch.ended(kind(operation), name.as_deref(), outcome, Some(start.elapsed()));
        self.report(&response.errors);
        response
    }

    fn report(&self, errors: &[ServerError]) {
        errors.iter().map(error::code).for_each(|code| self.0.watch.failed(code));
    }

    /// The answers to an operation; a subscription has any number of them.
    pub(super) fn answers(&self, prepared: Prepared) -> Answers {
        if prepared.operation != Some(OperationType::Subscription) {
            let service = self.clone();
            let stream = stream::once(async move { service.answer(prepared, identity).await }).boxed();
            return Answers { stream, subscribed: None };
        }
        let subscribed = Arc::new(Notify::new());
        let Prepared { execution, shape, name, .. } = prepared;
        let request = execution.request().data(Subscribed(subscribed.clone()));
        let mut ended = Ended { service: self.clone(), name, outcome: "ok" };
        let answers = self.0.schema.execute_stream(request).map(move |mut response| {
            error::clean(&mut response);
            shape.sort(&mut response.data);
            if !response.errors.is_empty() {
                ended.outcome = "error";
                ended.service.report(&response.errors);
            }
            response
        });
        Answers { stream: answers.boxed(), subscribed: Some(subscribed) }
    }
}

/// Tells of a subscription when it is dropped, however that comes about.
struct Ended {
    service: Service,
    name: Option<Name>,
    outcome: &'static str,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.service.0.watch.ended("subscription", self.name.as_deref(), self.outcome, None);
    }
}

fn kind(operation: Option<OperationType>) -> &'static str {
    match operation {
        Some(OperationType::Query) => "query",
        Some(OperationType::Mutation) => "mutation",
        Some(OperationType::Subscription) => "subscription",
        None => "unknown",
    }
}

/// The operation that a request means, as the library chooses it, and its name if it has one.
fn operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<(Option<&'a Name>, &'a OperationDefinition)> {
    let (name, operation) = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => (None, operation),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get_key_value(name).map(|(name, operation)| (Some(name), operation))?
        }
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.iter().next().map(|(name, operation)| (Some(name), operation))?
        }
        (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => return None,
    };
    Some((name, &operation.node))
}

/// An answer that is nothing but an error.
pub(super) fn failure(error: impl Into<Box<ServerError>>) -> Response {
    Response::from_errors(vec![*error.into()])
}
