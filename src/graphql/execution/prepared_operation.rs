//! Operations that have been read and held against the limits: they may be carried out.

use std::sync::Arc;

use async_graphql::{
    Name, Request, ServerError,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};

use super::{
    cached_validation::{Kinds, Validation},
    cost::Limits,
    document_cache::{Documents, Known},
    field_order::Shape,
    prebuilt_json::Merging,
    product_lookup::Lookup,
};
use crate::graphql::{
    error::{self, GraphqlErrorCode},
    transport::request::Asked,
};

/// Such an operation.
pub enum Prepared {
    Lookup(Lookup),
    /// What the library carries out. Boxed: it is large, and handed on.
    Operation(Box<Operation>),
}

/// An operation for the library.
pub struct Operation {
    request: Request,
    known: Arc<Known>,
    validation: Option<Validation>,
    pub shape: Arc<Shape>,
    /// None where the document does not have the operation that the request names.
    pub kind: Option<OperationType>,
    pub name: Option<Name>,
}

impl Prepared {
    /// Reads the document and holds it against the limits.
    ///
    /// # Errors
    /// It can't be carried out.
    pub fn new(
        mut asked: Asked<'_>,
        documents: &Documents,
        limits: &Limits,
    ) -> Result<Self, Box<ServerError>> {
        let new = documents.find_text(&mut asked).map_err(error::refused)?;
        let known = documents.parse(&asked.query, limits)?;
        let operation = operation(&known.document, asked.operation_name.as_deref());
        let kinds = operation.and_then(|(_, operation)| Kinds::of(operation, &asked.variables));
        let validation = known.found.clone().zip(kinds).map(|(found, kinds)| Validation { found, kinds });
        // A valid document has been held against the limits before.
        if validation.as_ref().is_some_and(Validation::is_over)
            && let Some(lookup) = Lookup::of(&known, &asked.variables)
        {
            documents.keep(new, &asked.query, &known);
            return Ok(Self::Lookup(lookup));
        }
        let request = Request::from(asked);
        limits.check(&known.document, &request.variables).map_err(error::refused)?;
        let shape = operation.map(|(_, operation)| known.shape(operation)).unwrap_or_default();
        // Only what may be carried out is worth its place.
        documents.keep(new, &request.query, &known);
        let name = operation.and_then(|(name, _)| name).cloned();
        let kind = operation.map(|(_, operation)| operation.ty);
        if kind == Some(OperationType::Subscription) && shape.fields() != 1 {
            // GraphQL specification, section 5.2.3.1.
            let detail = "a subscription has exactly one field of the root".to_owned();
            return Err(error::refused((GraphqlErrorCode::Invalid, detail)).into());
        }
        Ok(Self::Operation(Box::new(Operation { request, known, validation, shape, kind, name })))
    }

    /// What it is.
    pub fn kind(&self) -> Option<OperationType> {
        match self {
            Self::Lookup(_) => Some(OperationType::Query),
            Self::Operation(operation) => operation.kind,
        }
    }
}

impl Operation {
    /// The request that the library carries out.
    pub fn request(self) -> Request {
        let Self { mut request, known, validation, shape, .. } = self;
        // The library wants a document of its own: a copy costs a fraction of parsing it.
        request.set_parsed_query(known.document.clone());
        if let Some(validation) = validation {
            request = request.data(validation);
        }
        if shape.repeats { request.data(Merging) } else { request }
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
