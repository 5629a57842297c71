//! Reads requests as the GraphQL-over-HTTP specification has them (section 5).

use std::collections::HashMap;

use async_graphql::{Request, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::problem::Problem;

/// What was sent: one request, or an array of them.
pub enum Sent {
    One(Box<Request>),
    Batch(Vec<Request>),
}

/// The members of a request; null is the same as nothing, and others are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with a `query`")]
struct Members<'a> {
    query: Option<String>,
    operation_name: Option<String>,
    /// Not read before their values are counted.
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    extensions: Option<HashMap<String, Value>>,
}

/// The parameters of a `GET`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

impl Parameters {
    /// Whether there is something to answer.
    pub fn asks(&self) -> bool {
        self.query.is_some() || self.extensions.is_some()
    }

    /// The request.
    ///
    /// # Errors
    /// It has no document, or more values than `most`.
    pub fn request(self, most: usize) -> Result<Request, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let variables = variables.as_deref().filter(|text| !text.is_empty());
        let extensions = extensions.as_deref().filter(|text| !text.is_empty());
        let members = Members {
            query,
            operation_name,
            variables: variables.map(parse).transpose()?,
            extensions: extensions.map(parse).transpose()?,
        };
        request(members, most)
    }
}

/// Reads a body; no request may have more values in its variables than `most`.
///
/// # Errors
/// It is no JSON, or not that of a request.
pub fn read(body: &str, most: usize) -> Result<Sent, Problem> {
    if body.trim_ascii_start().starts_with('[') {
        let parts: Vec<&RawValue> = parse(body)?;
        let read = |part: &&RawValue| request(parse(part.get())?, most);
        return Ok(Sent::Batch(parts.iter().map(read).collect::<Result<_, _>>()?));
    }
    Ok(Sent::One(Box::new(request(parse(body)?, most)?)))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Problem> {
    serde_json::from_str(json)
        .map_err(|error| Problem::malformed(format!("that is no GraphQL request: {error}")))
}

fn request(members: Members, most: usize) -> Result<Request, Problem> {
    let Members { query, operation_name, variables, extensions } = members;
    let extensions = extensions.unwrap_or_default();
    let query = query.unwrap_or_default();
    if query.is_empty() && !extensions.contains_key("persistedQuery") {
        return Err(Problem::malformed("a GraphQL request is an object with a `query`"));
    }
    let mut request = Request::new(query);
    request.operation_name = operation_name;
    if let Some(variables) = variables.map(RawValue::get) {
        if values(variables) > most {
            let detail = format!("the variables have more than {most} values: send them in parts");
            return Err(Problem::too_large(detail));
        }
        request.variables = parse(variables)?;
    }
    request.extensions.extend(extensions);
    Ok(request)
}

/// About how many values there are in a JSON text.
fn values(json: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}
