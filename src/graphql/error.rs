//! Gives every error on its way out the catalog's code, and hides what we did not plan.

use async_graphql::{Name, PathSegment, Response, ServerError, Value, indexmap::IndexMap as Object, parser};

use crate::catalog::{Code, Error, Fault};

/// An error of the document as a whole.
pub fn with_code(message: &str, code: &str) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// A document that is no GraphQL.
pub fn unreadable(error: parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    error.extensions.get_or_insert_default().set("code", "MALFORMED");
    error
}

/// Adds `extensions.code`, and `extensions.errors` with pointers as in REST's problems.
pub fn clean(response: &mut Response) {
    for error in &mut response.errors {
        let known = error.source::<Error>();
        let code = match known {
            Some(error) => error.code(),
            // The document does not fit the schema: its text is for the client.
            None if error.source.is_none() => Code::Invalid,
            None => Code::Internal,
        };
        let faults = known.map(Error::faults).unwrap_or_default();
        let faults: Vec<_> = faults.iter().map(fault).collect();
        if code == Code::Internal {
            tracing::error!(error = error.message, "a resolver failed");
            error.message = Error::Internal.to_string();
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", code.as_str());
        }
        if !faults.is_empty() {
            extensions.set("errors", faults);
        }
        if let [PathSegment::Field(field)] = error.path.as_slice() {
            null_at(&mut response.data, field);
        }
    }
}

/// A failed field of the root is null beside those that did not fail; the library leaves it out.
fn null_at(data: &mut Value, field: &str) {
    let mut fields = match std::mem::take(data) {
        Value::Object(fields) => fields,
        _ => Object::new(),
    };
    fields.entry(Name::new(field)).or_insert(Value::Null);
    *data = Value::Object(fields);
}

fn fault(fault: &Fault) -> Value {
    Value::from_json(serde_json::json!({ "pointer": fault.pointer(), "detail": fault.detail }))
        .unwrap_or_default()
}
