//! Parses requests (GraphQL over HTTP, section 5).

use std::{borrow::Cow, collections::HashMap};

use async_graphql::{Value, Variables};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    graphql::execution::{exact_numbers, operation_request::OperationRequest},
    http::problem::Problem,
};

/// Body of a `POST` request.
pub enum RequestBody<'a> {
    Single(OperationRequest<'a>),
    Batch(Vec<OperationRequest<'a>>),
}

/// Fields of a request. Null counts as absent, and unknown fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with a `query`")]
pub struct RequestFields<'a> {
    #[serde(borrow)]
    query: Option<Text<'a>>,
    operation_name: Option<String>,
    /// Variables as JSON, parsed only after their values have been counted.
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    extensions: Option<HashMap<String, Value>>,
}

/// Text without a copy, if it has no escapes. serde does not borrow an optional `Cow` itself.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Query parameters of a `GET` request. An empty parameter counts as absent (section 5.1). JSON has null for
/// this, so an empty operation name in a `POST` request is an unknown operation.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parameters {
    #[serde(deserialize_with = "non_empty")]
    query: Option<String>,
    #[serde(deserialize_with = "non_empty")]
    operation_name: Option<String>,
    #[serde(deserialize_with = "non_empty")]
    variables: Option<String>,
    #[serde(deserialize_with = "non_empty")]
    extensions: Option<String>,
}

fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
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
    pub fn into_request(self, max_values: usize) -> Result<OperationRequest<'static>, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let query = query.map(|text| Text(text.into()));
        let variables = variables.as_deref().map(parse).transpose()?;
        let extensions = extensions.as_deref().map(parse).transpose()?;
        let fields = RequestFields { query, operation_name, variables, extensions };
        Ok(fields.into_request(max_values)?.into_owned())
    }
}

/// Parses the body of a `POST` request.
///
/// # Errors
/// Returns a problem if the body is not a GraphQL request or an array of them, or the variables of a request
/// have more than `max_values` values.
pub fn parse_body<'a>(body: &'a str, max_values: usize) -> Result<RequestBody<'a>, Problem> {
    if body.trim_ascii_start().starts_with('[') {
        let items: Vec<&'a RawValue> = parse(body)?;
        let parse_item = |item: &'a RawValue| parse::<RequestFields>(item.get())?.into_request(max_values);
        return Ok(RequestBody::Batch(items.into_iter().map(parse_item).collect::<Result<_, _>>()?));
    }
    Ok(RequestBody::Single(parse::<RequestFields>(body)?.into_request(max_values)?))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Problem> {
    serde_json::from_str(json).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!("invalid GraphQL request: {error}"))
}

impl<'a> RequestFields<'a> {
    /// Parses the variables and returns the request.
    ///
    /// # Errors
    /// Returns a problem if the document is missing, or the variables are invalid or have more than
    /// `max_values` values.
    pub fn into_request(self, max_values: usize) -> Result<OperationRequest<'a>, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let query = query.map(|Text(text)| text).unwrap_or_default();
        let extensions = extensions.unwrap_or_default();
        if query.is_empty() && !extensions.contains_key("persistedQuery") {
            return Err(Problem::malformed("a GraphQL request must be an object with a `query`"));
        }
        let variables = variables.map(|json| parse_variables(json.get(), max_values)).transpose()?;
        Ok(OperationRequest { query, operation_name, variables: variables.unwrap_or_default(), extensions })
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
