//! Gives every error on its way out a code, and hides what we did not plan.

use async_graphql::{
    Enum, Name, PathSegment, Response, ServerError, Value,
    indexmap::IndexMap as Object,
    parser,
    resolver_utils::{EnumType, enum_value},
};

use crate::catalog::{self, Error, ErrorCode, FieldError};

/// The `code` in the `extensions` of an error. Those that REST knows too are the `code` of its problems.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(name = "ErrorCode")]
pub enum GraphqlErrorCode {
    /// Values that break a rule, named in `errors`, or a document that does not fit the schema.
    Invalid,
    /// There is no such product.
    NotFound,
    /// The id is taken.
    DuplicateId,
    /// Every id that could be generated is used up: choose one.
    IdsExhausted,
    /// The product is at another version.
    VersionMismatch,
    /// The server wants every change to tell which version is meant.
    VersionRequired,
    /// Less is in stock than was to be taken.
    InsufficientStock,
    /// More than a product can have in stock.
    TooMuchStock,
    /// As many subscriptions as the server takes are open: try again.
    TooManySubscriptions,
    /// Changes were taken too slowly: subscribe again, behind the last one.
    TooSlow,
    /// The database can't answer at the moment: try again.
    Unavailable,
    /// As many requests as the server takes at a time are under way: try again.
    Overloaded,
    /// A fault of ours; it has been logged.
    Internal,
    /// The document or the request can't be read.
    Malformed,
    /// Nothing came of it in time.
    Timeout,
    /// The document has too many bytes.
    DocumentTooLarge,
    /// The document is nested too deep.
    TooDeep,
    /// The document asks for too much at once.
    TooCostly,
    /// The variables have too many values, or are used too often.
    TooManyValues,
    /// The document has too many fields of the root.
    TooManyRootFields,
    /// The document has too many aliases.
    TooManyAliases,
    /// The document has too many directives.
    TooManyDirectives,
    /// There are too many requests in one body.
    BatchTooLarge,
    /// Too many operations are under way on one connection.
    TooManyOperations,
    /// The server does not tell its schema.
    IntrospectionDisabled,
    /// Mutations can't be sent by GET.
    MutationOverGet,
    /// A persisted document is not known: send its text and hash together.
    PersistedQueryNotFound,
    /// A persisted document is not the one of its hash.
    PersistedQueryMismatch,
}

impl From<ErrorCode> for GraphqlErrorCode {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Invalid => Self::Invalid,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Duplicate => Self::DuplicateId,
            ErrorCode::IdsExhausted => Self::IdsExhausted,
            ErrorCode::VersionMismatch => Self::VersionMismatch,
            ErrorCode::VersionRequired => Self::VersionRequired,
            ErrorCode::InsufficientStock => Self::InsufficientStock,
            ErrorCode::TooMuchStock => Self::TooMuchStock,
            ErrorCode::TooManySubscriptions => Self::TooManySubscriptions,
            ErrorCode::TooSlow => Self::TooSlow,
            ErrorCode::Unavailable => Self::Unavailable,
            // GraphQL takes no idempotency keys.
            ErrorCode::Internal | ErrorCode::KeyReused | ErrorCode::KeyInUse => Self::Internal,
        }
    }
}

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 1000;
/// The most errors that one answer lists.
const MAX_ERRORS: usize = 100;

/// All codes, as clients see them.
pub fn codes() -> impl Iterator<Item = &'static str> {
    GraphqlErrorCode::items().iter().map(|item| item.name)
}

/// The code of an error that has one.
pub fn code(error: &ServerError) -> &'static str {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    let name = match code {
        Some(Value::Enum(name)) => name.as_str(),
        _ => "",
    };
    codes().find(|code| *code == name).unwrap_or("INTERNAL")
}

/// Why a document is not even tried: a code, and what to do.
pub type Refusal = (GraphqlErrorCode, String);

/// An error of the request as a whole.
pub fn refused((code, message): Refusal) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", enum_value(code));
    error
}

/// A document that is no GraphQL.
pub fn unreadable(error: parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    shorten(&mut error.message);
    error.extensions.get_or_insert_default().set("code", enum_value(GraphqlErrorCode::Malformed));
    error
}

/// Adds `extensions.code`, and `extensions.errors` with pointers as in REST's problems.
pub fn clean(response: &mut Response) {
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        shorten(&mut error.message);
        let known = error.source::<Error>();
        let code = match known {
            Some(error) => error.code(),
            // The document does not fit the schema: its text is for the client.
            None if error.source.is_none() => ErrorCode::Invalid,
            None => ErrorCode::Internal,
        };
        let faults = known.map(Error::field_errors).unwrap_or_default();
        let faults: Vec<_> = faults.iter().map(fault).collect();
        if code == ErrorCode::Internal {
            tracing::error!(error = error.message, "a resolver failed");
            error.message = catalog::Error::Internal.to_string();
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", enum_value(GraphqlErrorCode::from(code)));
        }
        if !faults.is_empty() {
            extensions.set("errors", faults);
        }
    }
}

/// Messages repeat what was sent, whatever its length.
fn shorten(message: &mut String) {
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.push('…');
    }
}

/// A failed field of the root is null beside those that did not fail; the library leaves it out.
pub fn show_failed_fields(response: &mut Response) {
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

fn fault(fault: &FieldError) -> Value {
    Value::from_json(serde_json::json!({ "pointer": fault.pointer(), "detail": fault.detail }))
        .unwrap_or_default()
}
