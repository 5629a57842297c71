//! GraphQL request as the client sent it, before the document is parsed.

use std::{borrow::Cow, collections::HashMap};

use async_graphql::{Name, Request, Value, Variables};

/// A client's request. It is converted to async-graphql's [`Request`] only if the library executes it.
pub struct RawRequest<'a> {
    /// Text of the document, empty if the client sent only its hash.
    pub query: Cow<'a, str>,
    pub operation_name: Option<String>,
    pub variables: RawVariables<'a>,
    pub extensions: HashMap<String, Value>,
}

/// Values of the variables.
pub enum RawVariables<'a> {
    /// Most requests have at most one variable. Building a map for it takes as long as parsing it.
    Single(Cow<'a, str>, Value),
    Many(Variables),
}

impl RawVariables<'_> {
    /// Returns the variable's value, or `None` if the client did not send it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Single(single, value) => (single == name).then_some(value),
            Self::Many(variables) => variables.get(name),
        }
    }
}

impl From<RawRequest<'_>> for Request {
    fn from(raw: RawRequest<'_>) -> Self {
        let RawRequest { query, operation_name, variables, extensions } = raw;
        let mut request = Self::new(query);
        request.operation_name = operation_name;
        request.variables = match variables {
            RawVariables::Single(name, value) => {
                Variables::from_value(Value::Object([(Name::new(name), value)].into()))
            }
            RawVariables::Many(variables) => variables,
        };
        request.extensions.extend(extensions);
        request
    }
}

/// Keeps only what a client can send.
impl From<Request> for RawRequest<'_> {
    fn from(request: Request) -> Self {
        let Request { query, operation_name, variables, extensions, .. } = request;
        Self {
            query: query.into(),
            operation_name,
            variables: RawVariables::Many(variables),
            extensions: extensions.0,
        }
    }
}
