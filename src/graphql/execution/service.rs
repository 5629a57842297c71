//! The way of every operation, however it came: preparation, execution, codes, order.

use std::{
    convert::identity,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{Name, Response, ServerError, Value, parser::types::OperationType};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::{
    cost::Limits,
    document_cache::Documents,
    prepared_operation::{Operation, Prepared},
    product_lookup::Lookup,
    spans,
};
use crate::{
    background_runtime,
    catalog::Catalog,
    graphql::{
        error::{self, GraphqlErrorCode, Refusal},
        schema::{self, Schema},
        transport::request::Asked,
    },
};

/// The schema within its limits. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    schema: Schema,
    limits: Limits,
    /// Shared with all requests of the server.
    places: Arc<Semaphore>,
    watch: Arc<dyn OperationObserver>,
    documents: Documents,
}

/// Is told what becomes of operations.
pub trait OperationObserver: Send + Sync {
    /// An operation has ended, after this time unless it is a subscription, or was refused.
    fn ended(&self, kind: &'static str, name: Option<&str>, outcome: &'static str, time: Option<Duration>);
    /// An answer has an error with this code.
    fn failed(&self, code: &'static str);
}

/// The answers to an operation.
pub(in crate::graphql) struct Answers {
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
pub(in crate::graphql) struct Subscribed(pub Arc<Notify>);

impl Service {
    /// Over this catalog. Each operation of a socket takes one of the places that requests take.
    pub fn new(
        catalog: Catalog,
        limits: Limits,
        places: Arc<Semaphore>,
        watch: Arc<dyn OperationObserver>,
    ) -> Self {
        let schema = schema::build(catalog.clone(), &limits);
        Self(Arc::new(Inner { catalog, schema, limits, places, watch, documents: Documents::default() }))
    }

    /// A place among the requests under way.
    pub(in crate::graphql) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let overloaded = || {
            let detail = "the server has too many requests at the moment: try again";
            (GraphqlErrorCode::Overloaded, detail.to_owned())
        };
        self.0.places.clone().try_acquire_owned().map_err(|_| overloaded())
    }

    /// The limits.
    pub(in crate::graphql) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Reads the document and holds it against the limits.
    pub(in crate::graphql) fn prepare(&self, asked: Asked<'_>) -> Result<Prepared, Box<ServerError>> {
        let Inner { limits, documents, watch, .. } = &*self.0;
        let prepared = Prepared::new(asked, documents, limits);
        if let Err(refusal) = &prepared {
            watch.ended("unknown", None, "refused", None);
            self.report(std::slice::from_ref(&**refusal));
        }
        prepared
    }

    /// Answers a query for one product: what `data` is, as JSON, or an answer with an error.
    pub(in crate::graphql) async fn look_up(&self, lookup: Lookup) -> Result<Vec<u8>, Response> {
        let Inner { catalog, limits, watch, .. } = &*self.0;
        let start = Instant::now();
        let found = tokio::time::timeout_at((start + limits.timeout).into(), lookup.answer(catalog)).await;
        let found = found.unwrap_or_else(|_| Err(timed_out())).map_err(|error| self.finish(failure(error)));
        let outcome = if found.is_ok() { "ok" } else { "error" };
        watch.ended("query", lookup.name().map(Name::as_str), outcome, Some(start.elapsed()));
        found
    }

    /// Answers a query or a mutation, and makes of the answer what is wanted. Queries aside, since how long they take is up to
    /// who asks, but for lookups.
    pub(in crate::graphql) async fn answer<T: Send + 'static>(
        &self,
        prepared: Prepared,
        write: impl FnOnce(Response) -> T + Send + 'static,
    ) -> T {
        let operation = match prepared {
            Prepared::Lookup(lookup) => {
                let found = self.look_up(lookup).await;
                return write(found.map_or_else(identity, |data| Response::new(Value::Binary(data.into()))));
            }
            Prepared::Operation(operation) => operation,
        };
        let start = Instant::now();
        if operation.kind != Some(OperationType::Query) {
            return write(self.carry_out(operation, start).await);
        }
        let service = self.clone();
        Box::pin(background_runtime::run(async move { write(service.carry_out(operation, start).await) }))
            .await
    }

    async fn carry_out(&self, operation: Box<Operation>, start: Instant) -> Response {
        let Inner { schema, limits, watch, .. } = &*self.0;
        let (kind, name, shape) = (kind(operation.kind), operation.name.clone(), operation.shape.clone());
        let answer = schema.execute(operation.request());
        let answer = answer.instrument(spans::operation(kind, name.as_deref()));
        let answer = tokio::time::timeout_at((start + limits.timeout).into(), answer);
        let mut response = self.finish(Box::pin(answer).await.unwrap_or_else(|_| failure(timed_out())));
        shape.sort(&mut response.data);
        let outcome = if response.errors.is_empty() { "ok" } else { "error" };
        watch.ended(kind, name.as_deref(), outcome, Some(start.elapsed()));
        response
    }

    /// Gives its errors the form that clients know, and counts them.
    fn finish(&self, mut response: Response) -> Response {
        error::clean(&mut response);
        error::show_failed_fields(&mut response);
        self.report(&response.errors);
        response
    }

    fn report(&self, errors: &[ServerError]) {
        errors.iter().map(error::code).for_each(|code| self.0.watch.failed(code));
    }

    /// The answers to an operation; a subscription has any number of them.
    pub(in crate::graphql) fn answers(&self, prepared: Prepared) -> Answers {
        let operation = match prepared {
            Prepared::Operation(operation) if operation.kind == Some(OperationType::Subscription) => {
                operation
            }
            prepared => {
                let service = self.clone();
                let stream = stream::once(async move { service.answer(prepared, identity).await }).boxed();
                return Answers { stream, subscribed: None };
            }
        };
        let subscribed = Arc::new(Notify::new());
        let (name, shape) = (operation.name.clone(), operation.shape.clone());
        let request = operation.request().data(Subscribed(subscribed.clone()));
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

fn timed_out() -> ServerError {
    let detail = "the request took too long: ask for less; what it changes may still be carried out";
    error::refused((GraphqlErrorCode::Timeout, detail.to_owned()))
}

/// An answer that is nothing but an error.
pub(in crate::graphql) fn failure(error: impl Into<Box<ServerError>>) -> Response {
    Response::from_errors(vec![*error.into()])
}
