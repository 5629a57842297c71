//! A request as a transport reads it.

use std::{borrow::Cow, collections::HashMap};

use async_graphql::{Value, Variables};

/// A request. Its text is borrowed where possible, because a cached document needs no owned text.
pub struct OperationRequest<'a> {
    /// Document, empty if the client sent only its hash.
    pub query: Cow<'a, str>,
    pub operation_name: Option<String>,
    pub variables: Variables,
    pub extensions: HashMap<String, Value>,
}

impl OperationRequest<'_> {
    pub fn into_owned(self) -> OperationRequest<'static> {
        OperationRequest { query: Cow::Owned(self.query.into_owned()), ..self }
    }
}
