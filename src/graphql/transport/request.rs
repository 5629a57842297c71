//! Parses requests (GraphQL over HTTP, section 5).

use std::collections::HashMap;

use async_graphql::{Request, Value, Variables};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{graphql::execution::exact_numbers, http::problem::Problem};

/// Body of a `POST` request.
pub enum RequestBody {
    /// Boxed, because it is large.
    Single(Box<Request>),
    Batch(Vec<Request>),
}

/// Fields of a request. Null counts as absent, and unknown fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with a `query`")]
pub struct RequestFields<'a> {
    query: Option<String>,
    operation_name: Option<String>,
    /// Variables as JSON, parsed only after their values have been counted.
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    extensions: Option<HashMap<String, Value>>,
}

/// Query parameters of a `GET` request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

impl Parameters {
    /// Returns whether the client sent a document, or extensions, which may contain a document's hash.
    pub fn has_query(&self) -> bool {
        self.query.is_some() || self.extensions.is_some()
    }

    /// Parses the JSON in the parameters and returns the request.
    ///
    /// # Errors
    /// Returns a problem if the JSON is invalid, the document is missing, or the variables have more than
    /// `max_values` values.
    pub fn into_request(self, max_values: usize) -> Result<Request, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let variables = variables.as_deref().filter(|text| !text.is_empty()).map(parse).transpose()?;
        let extensions = extensions.as_deref().filter(|text| !text.is_empty()).map(parse).transpose()?;
        RequestFields { query, operation_name, variables, extensions }.into_request(max_values)
    }
}

/// Parses the body of a `POST` request.
///
/// # Errors
/// Returns a problem if the body is not a GraphQL request or an array of them, or the variables of a request
/// have more than `max_values` values.
pub fn parse_body(body: &str, max_values: usize) -> Result<RequestBody, Problem> {
    if body.trim_ascii_start().starts_with('[') {
        let items: Vec<&RawValue> = parse(body)?;
        let parse_item = |item: &RawValue| parse::<RequestFields>(item.get())?.into_request(max_values);
        return Ok(RequestBody::Batch(items.into_iter().map(parse_item).collect::<Result<_, _>>()?));
    }
    Ok(RequestBody::Single(parse::<RequestFields>(body)?.into_request(max_values)?.into()))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Problem> {
    serde_json::from_str(json).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!("invalid GraphQL request: {error}"))
}

impl RequestFields<'_> {
    /// Parses the variables and returns the request.
    ///
    /// # Errors
    /// Returns a problem if the document is missing, or the variables are invalid or have more than
    /// `max_values` values.
    pub fn into_request(self, max_values: usize) -> Result<Request, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let mut request = Request::new(query.unwrap_or_default());
        request.extensions.extend(extensions.unwrap_or_default());
        if request.query.is_empty() && !request.extensions.contains_key("persistedQuery") {
            return Err(Problem::malformed("a GraphQL request must be an object with a `query`"));
        }
        request.operation_name = operation_name;
        if let Some(variables) = variables {
            request.variables = parse_variables(variables.get(), max_values)?;
        }
        Ok(request)
    }
}

fn parse_variables(variables: &str, max_values: usize) -> Result<Variables, Problem> {
    if count_values(variables) > max_values {
        let detail = format!("the variables have more than {max_values} values: split the request");
        return Err(Problem::too_large(detail));
    }
    exact_numbers::parse_variables(variables).map_err(|error| malformed(&error))
}

/// Returns an upper bound for the number of values in a JSON text, without parsing the text.
fn count_values(json: &str) -> usize {
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
