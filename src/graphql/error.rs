//! Error codes for clients. Every error has a code, and the details of internal errors are hidden.

use async_graphql::{
    Enum, Name, PathSegment, Response, ServerError, Value,
    indexmap::IndexMap as Object,
    parser,
    resolver_utils::{EnumType, enum_value},
};

use crate::{
    domain::{self, Error, ErrorCode, FieldError},
    http::problem::Problem,
};

/// Error code in `extensions.code`. Codes shared with REST are also the `code` of its problems.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(name = "ErrorCode")]
pub enum GraphqlErrorCode {
    /// The document does not match the schema, or field values are invalid (see `errors`).
    Invalid,
    /// The operation needs a token.
    Unauthorized,
    /// The token lacks a scope that the operation needs.
    Forbidden,
    /// The product was not found.
    NotFound,
    /// A product with this ID already exists.
    DuplicateId,
    /// No more IDs can be generated; send an ID of 4503599627370496 or more.
    IdsExhausted,
    /// The product's version is not the expected one.
    VersionMismatch,
    /// The server requires `expectedVersion` for this mutation.
    VersionRequired,
    /// The stock is smaller than the quantity to remove.
    InsufficientStock,
    /// The adjustment would exceed the maximum amount of a product.
    TooMuchStock,
    /// The idempotency key was used for a different request; send a new key with each request.
    IdempotencyKeyReused,
    /// A request with this idempotency key is in progress; retry later.
    IdempotencyKeyInUse,
    /// The server has reached its maximum number of subscriptions; retry later.
    TooManySubscriptions,
    /// The client received changes too slowly; subscribe again after the last one received.
    TooSlow,
    /// The database is unavailable; retry later.
    Unavailable,
    /// The server has reached its maximum number of concurrent requests; retry later.
    Overloaded,
    /// The client exceeds its rate of requests; retry after the seconds in `retryAfter`.
    RateLimited,
    /// Internal error, which has been logged.
    Internal,
    /// The request or the document has invalid syntax.
    Malformed,
    /// The operation timed out.
    Timeout,
    /// The document exceeds the size limit.
    DocumentTooLarge,
    /// The document exceeds the depth limit.
    TooDeep,
    /// The document exceeds the cost limit.
    TooCostly,
    /// The variables have too many values, or are used too often.
    TooManyValues,
    /// The document has too many root fields.
    TooManyRootFields,
    /// The document has too many aliases.
    TooManyAliases,
    /// The document has too many directives.
    TooManyDirectives,
    /// The body has too many requests.
    BatchTooLarge,
    /// Too many operations are active on this connection.
    TooManyOperations,
    /// Introspection is disabled on this server.
    IntrospectionDisabled,
    /// Mutations are not allowed with GET.
    MutationOverGet,
    /// The persisted document is unknown; send its text together with its hash.
    PersistedQueryNotFound,
    /// The hash does not match the document.
    PersistedQueryMismatch,
}

impl From<ErrorCode> for GraphqlErrorCode {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Invalid => Self::Invalid,
            ErrorCode::Unauthorized => Self::Unauthorized,
            ErrorCode::Forbidden => Self::Forbidden,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Duplicate => Self::DuplicateId,
            ErrorCode::IdsExhausted => Self::IdsExhausted,
            ErrorCode::VersionMismatch => Self::VersionMismatch,
            ErrorCode::VersionRequired => Self::VersionRequired,
            ErrorCode::InsufficientStock => Self::InsufficientStock,
            ErrorCode::TooMuchStock => Self::TooMuchStock,
            ErrorCode::KeyReused => Self::IdempotencyKeyReused,
            ErrorCode::KeyInUse => Self::IdempotencyKeyInUse,
            ErrorCode::TooManySubscriptions => Self::TooManySubscriptions,
            ErrorCode::TooSlow => Self::TooSlow,
            ErrorCode::Unavailable => Self::Unavailable,
            ErrorCode::Internal => Self::Internal,
        }
    }
}

/// Maximum length of an error message in bytes, because messages may quote client input of any length.
const MAX_MESSAGE_BYTES: usize = 1000;
/// Maximum number of errors in a response, which bounds its size.
const MAX_ERRORS: usize = 100;

/// Name of the extension with the seconds to wait.
const RETRY_AFTER: &str = "retryAfter";

/// Returns the names of all codes in the schema.
pub fn codes() -> impl Iterator<Item = &'static str> {
    GraphqlErrorCode::items().iter().map(|item| item.name)
}

impl GraphqlErrorCode {
    /// Returns the code's name in the schema.
    pub fn name(self) -> &'static str {
        Self::items().iter().find(|item| item.value == self).map_or("INTERNAL", |item| item.name)
    }

    /// Returns whether the server or its database failed, so that the same request may succeed later.
    pub fn is_server_error(self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable | Self::Timeout | Self::Overloaded)
    }
}

/// Returns the code in an error's extensions, or [`GraphqlErrorCode::Internal`] if there is no GraphQL code.
pub fn code(error: &ServerError) -> GraphqlErrorCode {
    let name = match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
        Some(Value::Enum(name)) => Some(name.as_str()),
        // Problems have their code as a string.
        Some(Value::String(name)) => Some(name.as_str()),
        _ => None,
    };
    let code = name.and_then(|name| GraphqlErrorCode::items().iter().find(|item| item.name == name));
    code.map_or(GraphqlErrorCode::Internal, |item| item.value)
}

/// Reason why a request is rejected before execution: a code and a message.
pub type RequestError = (GraphqlErrorCode, String);

/// Converts a request error to async-graphql's error.
pub fn request_error((code, message): RequestError) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", enum_value(code));
    error
}

/// Converts a problem to async-graphql's error. The error has the problem's REST code and, if the client was too fast,
/// the seconds to wait in `extensions.retryAfter`.
pub fn from_problem(problem: &Problem) -> ServerError {
    let mut error = ServerError::new(problem.detail(), None);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", problem.code().as_str());
    if let Some(seconds) = problem.retry_after_seconds() {
        extensions.set(RETRY_AFTER, seconds);
    }
    error
}

/// Returns the seconds after which the client may try again, or `None` if the error has no such time.
pub fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get(RETRY_AFTER)? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

/// Converts an error of the access control. An error for a missing scope has its name in `extensions.scope`.
pub fn from_access_error(error: &Error) -> ServerError {
    let mut converted = request_error((error.code().into(), error.to_string()));
    if let Error::Forbidden(scope) = error {
        converted.extensions.get_or_insert_default().set("scope", scope.name());
    }
    converted
}

/// Converts a parser error to a `MALFORMED` error.
pub fn syntax_error(error: parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    shorten(&mut error.message);
    error.extensions.get_or_insert_default().set("code", enum_value(GraphqlErrorCode::Malformed));
    error
}

/// Adds `extensions.code` to all errors, and `extensions.errors` to errors of invalid fields. Hides the
/// details of internal errors. Limits the length of messages and the number of errors.
pub fn add_codes(response: &mut Response) {
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        shorten(&mut error.message);
        let catalog_error = error.source::<Error>();
        let code = match catalog_error {
            Some(error) => error.code(),
            // Only validation errors of async-graphql have no source. Their messages are meant for clients.
            None if error.source.is_none() => ErrorCode::Invalid,
            None => ErrorCode::Internal,
        };
        let field_errors = catalog_error.map(Error::field_errors).unwrap_or_default();
        let field_errors: Vec<_> = field_errors.iter().map(field_error_value).collect();
        if code == ErrorCode::Internal {
            tracing::error!(error = error.message, "resolver failed");
            error.message = domain::Error::Internal.to_string();
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", enum_value(GraphqlErrorCode::from(code)));
        }
        if !field_errors.is_empty() {
            extensions.set("errors", field_errors);
        }
    }
}

fn shorten(message: &mut String) {
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push('…');
    }
}

/// Adds failed root fields to the data as null, because async-graphql omits them.
pub fn null_failed_fields(response: &mut Response) {
    let failed = response.errors.iter().filter_map(|error| match error.path.as_slice() {
        [PathSegment::Field(field)] => Some(field),
        _ => None,
    });
    for field in failed {
        let mut fields = match std::mem::take(&mut response.data) {
            Value::Object(fields) => fields,
            _ => Object::new(),
        };
        fields.entry(Name::new(field)).or_insert(Value::Null);
        response.data = Value::Object(fields);
    }
}

fn field_error_value(error: &FieldError) -> Value {
    Value::from_json(serde_json::json!({ "pointer": error.pointer(), "detail": error.detail }))
        .unwrap_or_default()
}
