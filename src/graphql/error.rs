//! Gives every error on its way out the catalog's code, and hides what we did not plan.

use async_graphql::{Response, Value};

use crate::catalog::{Code, Error};

/// Adds `extensions.code`, and `extensions.errors` with pointers as in REST's problems.
pub fn clean(response: &mut Response) {
    for error in &mut response.errors {
        // Parsing and validation have no source: their text is for the client.
        if error.source.is_none() {
            continue;
        }
        let known = error.source::<Error>();
        let code = known.map_or(Code::Internal, Error::code);
        let mut extensions = error.extensions.clone().unwrap_or_default();
        extensions.set("code", code.as_str());
        if let Some(faults) = known.map(Error::faults).filter(|faults| !faults.is_empty()) {
            extensions.set("errors", faults.iter().map(fault).collect::<Vec<_>>());
        }
        if known.is_none() {
            tracing::error!(error = error.message, "a resolver failed");
            error.message = Error::Internal.to_string();
        }
        error.extensions = Some(extensions);
    }
}

fn fault(fault: &crate::catalog::Fault) -> Value {
    Value::from_json(serde_json::json!({ "pointer": fault.pointer(), "detail": fault.detail }))
        .unwrap_or_default()
}
