//! The way of every operation, however it came: limits, parsing, execution, codes, order.

use std::sync::Arc;

use async_graphql::{
    Data, Executor, Request, Response, ServerError,
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::Semaphore;

use super::{
    documents::Documents,
    error::{self, ErrorCode},
    limits::Limits,
    loader::Loader,
    schema::{self, Schema},
    shape::Shape,
};
use crate::catalog::Catalog;

/// The schema within its limits. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    schema: Schema,
    catalog: Catalog,
    limits: Limits,
    documents: Documents,
}

/// An operation that may be carried out.
pub(super) struct Prepared {
    request: Request,
    shape: Shape,
    /// What it is; none where the document does not have the operation that the request names.
    pub operation: Option<OperationType>,
}

/// How many operations of one WebSocket may be under way; in its data.
pub(super) struct Places(pub Arc<Semaphore>);

impl Service {
    /// Over this catalog.
    pub fn new(catalog: Catalog, limits: Limits) -> Self {
        let schema = schema::build(catalog.clone());
        Self(Arc::new(Inner { schema, catalog, limits, documents: Documents::default() }))
    }

    /// The limits.
    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Reads the document and holds it against the limits.
    pub(super) fn prepare(&self, mut request: Request) -> Result<Prepared, Box<ServerError>> {
        let Inner { limits, documents, .. } = &*self.0;
        let new = documents.find_text(&mut request).map_err(error::refused)?;
        limits.check_text(&request.query).map_err(error::refused)?;
        let document = documents.parse(&request.query)?;
        limits.check(&document, &request.variables).map_err(error::refused)?;
        if let Some(hash) = new {
            documents.keep(hash, &request.query);
        }
        let name = request.operation_name.as_deref();
        let shape = Shape::of(&document, name);
        let operation = operation(&document, name);
        request.set_parsed_query(Arc::unwrap_or_clone(document));
        Ok(Prepared { request, shape, operation })
    }

    /// Answers a query or a mutation.
    pub(super) async fn answer(&self, prepared: Prepared) -> Response {
        let Inner { schema, catalog, limits, .. } = &*self.0;
        let Prepared { request, shape, operation: _ } = prepared;
        let request = request.data(Loader::new(catalog.clone()));
        let answer = tokio::time::timeout(limits.timeout, schema.execute(request));
        let mut response = answer.await.unwrap_or_else(|_| {
            let detail = "the request took too long: ask for less, or try again";
            failure(error::refused((ErrorCode::Timeout, detail.to_owned())))
        });
        error::clean(&mut response);
        error::show_failed_fields(&mut response);
        shape.sort(&mut response.data);
        response
    }

    /// The answers to an operation; a subscription has any number of them.
    pub(super) fn answers(&self, prepared: Prepared) -> BoxStream<'static, Response> {
        if prepared.operation != Some(OperationType::Subscription) {
            let service = self.clone();
            return stream::once(async move { service.answer(prepared).await }).boxed();
        }
        let Prepared { request, shape, operation: _ } = prepared;
        let answers = self.0.schema.execute_stream(request).map(move |mut response| {
            error::clean(&mut response);
            shape.sort(&mut response.data);
            response
        });
        answers.boxed()
    }
}

fn operation(document: &ExecutableDocument, name: Option<&str>) -> Option<OperationType> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => operation,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name)?,
        (DocumentOperations::Multiple(_), None) => return None,
    };
    Some(operation.node.ty)
}

/// An answer that is nothing but an error.
pub(super) fn failure(error: impl Into<Box<ServerError>>) -> Response {
    Response::from_errors(vec![*error.into()])
}

impl Executor for Service {
    async fn execute(&self, request: Request) -> Response {
        match self.prepare(request) {
            Ok(prepared) => self.answer(prepared).await,
            Err(refusal) => failure(refusal),
        }
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let places = session.as_ref().and_then(|data| data.get(&std::any::TypeId::of::<Places>()));
        let places = places.and_then(|places| places.downcast_ref::<Places>());
        let place = places.map(|Places(places)| places.clone().try_acquire_owned()).transpose();
        let Ok(place) = place else {
            let detail = "too many operations are under way on this connection: let some end first";
            let refusal = failure(error::refused((ErrorCode::TooManyOperations, detail.to_owned())));
            return stream::iter([refusal]).boxed();
        };
        match self.prepare(request) {
            Ok(prepared) => self
                .answers(prepared)
                .map(move |answer| {
                    let _held = &place;
                    answer
                })
                .boxed(),
            Err(refusal) => stream::iter([failure(refusal)]).boxed(),
        }
    }
}
