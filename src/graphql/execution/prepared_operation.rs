//! Operations that are parsed, within the limits and ready for execution.

use std::sync::Arc;

use async_graphql::{
    Name, Request, ServerError,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};

use super::{
    cached_validation::{ValidationState, VariableKinds},
    document_cache::{CachedDocument, DocumentCache},
    field_order::FieldOrder,
    limits::Limits,
    product_lookup::ProductLookup,
};
use crate::graphql::{
    error::{self, GraphqlErrorCode},
    prebuilt_json::HasMergedFields,
};

/// An operation that may be executed.
pub enum PreparedOperation {
    Lookup(ProductLookup),
    /// Boxed, because it is large and moved often.
    Library(Box<LibraryOperation>),
}

/// An operation that async-graphql executes.
pub struct LibraryOperation {
    request: Request,
    document: Arc<CachedDocument>,
    validation: Option<ValidationState>,
    pub field_order: Arc<FieldOrder>,
    /// `None` if the document has no operation that the request selects.
    pub kind: Option<OperationType>,
    pub name: Option<Name>,
}

impl PreparedOperation {
    /// Parses the document, checks the limits and returns the operation.
    ///
    /// # Errors
    /// Returns a request error if the document has invalid syntax, is over a limit, or its hash is unknown or
    /// wrong.
    pub fn new(
        mut request: Request,
        documents: &DocumentCache,
        limits: &Limits,
    ) -> Result<Self, Box<ServerError>> {
        let new_hash = documents.resolve_persisted_query(&mut request).map_err(error::request_error)?;
        let document = documents.parse(&request.query, limits)?;
        let operation = find_operation(&document.ast, request.operation_name.as_deref());
        let kinds = operation.and_then(|(_, operation)| VariableKinds::new(operation, &request.variables));
        let validation = document.last_validated.clone().zip(kinds);
        let validation = validation.map(|(last, kinds)| ValidationState { last, kinds });
        // A validated document has already passed the limits, and the id of a lookup is short.
        if validation.as_ref().is_some_and(ValidationState::is_cached)
            && let Some(lookup) = ProductLookup::from_document(&document, &request.variables)
        {
            documents.insert(new_hash, &request.query, &document);
            return Ok(Self::Lookup(lookup));
        }
        limits.check(&document.ast, &request.variables).map_err(error::request_error)?;
        let field_order = operation.map(|(_, operation)| document.field_order(operation)).unwrap_or_default();
        // Rejected documents are not cached, because they would displace useful documents.
        documents.insert(new_hash, &request.query, &document);
        let name = operation.and_then(|(name, _)| name).cloned();
        let kind = operation.map(|(_, operation)| operation.ty);
        if kind == Some(OperationType::Subscription) && field_order.root_field_count() != 1 {
            // GraphQL specification, section 5.2.3.1.
            let detail = "a subscription must have exactly one root field".to_owned();
            return Err(error::request_error((GraphqlErrorCode::Invalid, detail)).into());
        }
        let operation = LibraryOperation { request, document, validation, field_order, kind, name };
        Ok(Self::Library(Box::new(operation)))
    }

    /// Returns the operation type, or `None` if the document has no operation that the request selects.
    pub fn kind(&self) -> Option<OperationType> {
        match self {
            Self::Lookup(_) => Some(OperationType::Query),
            Self::Library(operation) => operation.kind,
        }
    }
}

impl LibraryOperation {
    /// Returns the request, with its parsed document, for async-graphql.
    pub fn into_request(self) -> Request {
        let Self { mut request, document, validation, field_order, .. } = self;
        // async-graphql needs an owned document. A clone takes a fraction of the time of parsing.
        request.set_parsed_query(document.ast.clone());
        if let Some(validation) = validation {
            request = request.data(validation);
        }
        if field_order.has_merged_fields { request.data(HasMergedFields) } else { request }
    }
}

/// Returns the operation that a request selects by async-graphql's rules, and the operation's name. Returns
/// `None` if the document has no such operation.
fn find_operation<'a>(
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
