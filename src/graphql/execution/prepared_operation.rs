//! Operations that are parsed, within the limits and ready for execution.

use std::sync::Arc;

use async_graphql::{
    Name, Request, ServerError, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};

use super::{
    document_cache::{CachedDocument, DocumentCache},
    field_order::FieldOrder,
    inputs::variables,
    limits::Limits,
    operation_request::OperationRequest,
    product_lookup::ProductLookup,
    required_scope::required_scope,
    selected_fields,
};
use crate::{
    domain::Scope,
    graphql::{
        error::{self, GraphqlErrorCode},
        prebuilt_json::HasMergedFields,
        schema::Schema,
    },
};

/// An operation that may be executed.
pub enum PreparedOperation {
    Lookup(ProductLookup),
    /// Boxed, because it is large and moved often.
    Library(Box<LibraryOperation>),
}

/// An operation that async-graphql executes.
pub struct LibraryOperation {
    document: Arc<CachedDocument>,
    variables: Variables,
    operation_name: Option<String>,
    pub field_order: Arc<FieldOrder>,
    /// `None` if the document has no operation that the request selects.
    pub kind: Option<OperationType>,
    pub name: Option<Name>,
    scope: Scope,
    /// Number of requests as which the operation counts for the caller's rate.
    requests: u32,
}

impl PreparedOperation {
    /// Parses the document, checks the limits and returns the operation.
    ///
    /// # Errors
    /// Returns a request error if the document has invalid syntax, is over a limit, or its hash is unknown or
    /// wrong.
    pub fn new(
        request: OperationRequest,
        documents: &DocumentCache,
        limits: &Limits,
    ) -> Result<Self, Box<ServerError>> {
        let OperationRequest { query, operation_name, variables, extensions } = request;
        let resolved = documents.resolve_persisted_query(&query, &extensions);
        let (text, new_hash) = resolved.map_err(error::request_error)?;
        let document = documents.parse(&text, limits)?;
        let operation = find_operation(&document.ast, operation_name.as_deref());
        // A validated document has already passed the limits, and the id of a lookup is short.
        if let Some((name, _)) = operation
            && let Some(rules) = document.rules().and_then(|rules| rules.of_operation(name))
            && let Some(lookup) = ProductLookup::from_document(&document, &variables)
            && variables::check(&variables, rules).is_ok()
        {
            documents.insert(new_hash, &text, &document);
            return Ok(Self::Lookup(lookup));
        }
        let cost = limits.check(&document.ast, &variables).map_err(error::request_error)?;
        let field_order = operation.map(|(_, operation)| document.field_order(operation)).unwrap_or_default();
        // Rejected documents are not cached, because they would displace useful documents.
        documents.insert(new_hash, &text, &document);
        let name = operation.and_then(|(name, _)| name).cloned();
        let kind = operation.map(|(_, operation)| operation.ty);
        if kind == Some(OperationType::Subscription) && field_order.root_field_count() != 1 {
            return Err(one_root_field().into());
        }
        let scope = required_scope(&document.ast, operation.map(|(_, operation)| operation));
        let requests = cost.requests();
        let operation = LibraryOperation {
            document,
            variables,
            operation_name,
            field_order,
            kind,
            name,
            scope,
            requests,
        };
        Ok(Self::Library(Box::new(operation)))
    }

    /// Returns the operation type, or `None` if the document has no operation that the request selects.
    pub fn kind(&self) -> Option<OperationType> {
        match self {
            Self::Lookup(_) => Some(OperationType::Query),
            Self::Library(operation) => operation.kind,
        }
    }

    /// Returns the scope that the operation needs.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Lookup(_) => Scope::Read,
            Self::Library(operation) => operation.scope,
        }
    }

    /// Returns the number of requests as which the operation counts for the caller's rate.
    pub fn requests(&self) -> u32 {
        match self {
            Self::Lookup(_) => 1,
            Self::Library(operation) => operation.requests,
        }
    }
}

impl LibraryOperation {
    /// Validates the document, checks the variables, and returns the request for async-graphql.
    ///
    /// # Errors
    /// Returns the errors of the document, or of the variables.
    pub async fn into_request(self, schema: &Schema) -> Result<Request, Vec<ServerError>> {
        let Self { document, mut variables, operation_name, field_order, .. } = self;
        let rules = document.validate(schema).await?;
        let operation = find_operation(&document.ast, operation_name.as_deref());
        if let Some(rules) = operation.and_then(|(name, _)| rules.of_operation(name)) {
            variables::check(&variables, rules)?;
        }
        // async-graphql needs an owned document. A clone takes a fraction of the time of parsing.
        let mut ast = document.ast.clone();
        // The library reports an unknown operation.
        if let Some((name, operation)) = operation {
            variables::add_defaults(&mut variables, operation);
            let has_fields = selected_fields::rewrite(&mut ast, name.map(Name::as_str), &variables);
            if operation.ty == OperationType::Subscription && !has_fields {
                return Err(vec![one_root_field()]);
            }
        }
        // The library ignores the text of a parsed document.
        let mut request = Request::new("").variables(variables);
        request.operation_name = operation_name;
        request.set_parsed_query(ast);
        Ok(if field_order.has_merged_fields { request.data(HasMergedFields) } else { request })
    }
}

/// Returns the error for a subscription with no root field or several (GraphQL specification, section 5.2.3.1).
fn one_root_field() -> ServerError {
    let detail = "a subscription must have exactly one root field".to_owned();
    error::request_error((GraphqlErrorCode::Invalid, detail))
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
