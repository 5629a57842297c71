//! Reads requests as the GraphQL-over-HTTP specification has them (section 5).

use async_graphql::{Request, Variables};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, value::RawValue};

use crate::problem::Problem;

/// What was sent: one request, or an array of them.
pub enum Sent {
    One(Box<Request>),
    Batch(Vec<Request>),
}

/// The members of a request; null is the same as nothing, and others are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
}

/// The parameters of a `GET`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default, deserialize_with = "json")]
    variables: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "json")]
    extensions: Option<Map<String, Value>>,
}

fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Map<String, Value>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { serde_json::from_str(&text).map_err(serde::de::Error::custom) }
}

impl Parameters {
    /// Whether there is something to answer.
    pub fn asks(&self) -> bool {
        self.query.is_some() || self.extensions.is_some()
    }

    /// The request.
    ///
    /// # Errors
    /// It has no document.
    pub fn request(self) -> Result<Request, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        request(Members { query, operation_name, variables, extensions })
    }
}

/// Reads a body.
///
/// # Errors
/// It is no JSON, or not that of a request.
pub fn read(body: &str) -> Result<Sent, Problem> {
    let unreadable =
        |error: serde_json::Error| Problem::malformed(format!("the body is no GraphQL request: {error}"));
    if body.trim_ascii_start().starts_with('[') {
        let parts: Vec<&RawValue> = serde_json::from_str(body).map_err(unreadable)?;
        let read = |part: &&RawValue| request(serde_json::from_str(part.get()).map_err(unreadable)?);
        return Ok(Sent::Batch(parts.iter().map(read).collect::<Result<_, _>>()?));
    }
    let members = serde_json::from_str(body).map_err(unreadable)?;
    Ok(Sent::One(Box::new(request(members)?)))
}

fn request(members: Members) -> Result<Request, Problem> {
    let Members { query, operation_name, variables, extensions } = members;
    let extensions = extensions.unwrap_or_default();
    let query = query.unwrap_or_default();
    if query.is_empty() && !extensions.contains_key("persistedQuery") {
        return Err(Problem::malformed("a GraphQL request is an object with a `query`"));
    }
    let mut request = Request::new(query);
    request.operation_name = operation_name;
    request.variables = Variables::from_json(Value::Object(variables.unwrap_or_default()));
    let extensions = extensions
        .into_iter()
        .filter_map(|(name, value)| Some((name, async_graphql::Value::from_json(value).ok()?)));
    request.extensions.extend(extensions);
    Ok(request)
}
