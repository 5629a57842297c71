//! Parses HTTP requests (GraphQL over HTTP, section 5).

use std::{borrow::Cow, collections::HashMap, fmt};

use async_graphql::{Request, Value, Variables};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    graphql::execution::raw_request::{RawRequest, RawVariables},
    http::problem::Problem,
};

/// Body of a `POST` request.
pub enum RequestBody<'a> {
    Single(RawRequest<'a>),
    /// Owned, because batches run on the background runtime.
    Batch(Vec<Request>),
}

/// Fields of a request. Null counts as absent, and unknown fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with a `query`")]
struct RequestFields<'a> {
    #[serde(borrow)]
    query: Option<BorrowedText<'a>>,
    operation_name: Option<String>,
    /// Parsed only after the values have been counted.
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    extensions: Option<HashMap<String, Value>>,
}

/// Text that is borrowed if it has no escapes.
#[derive(Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

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
    /// Returns whether the client sent a document or a hash.
    pub fn has_query(&self) -> bool {
        self.query.is_some() || self.extensions.is_some()
    }

    /// Parses the parameters.
    ///
    /// # Errors
    /// Returns a problem if the JSON is invalid, the document is missing, or the variables have more than `max_values`
    /// values.
    pub fn to_request(&self, max_values: usize) -> Result<RawRequest<'_>, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let variables = variables.as_deref().filter(|text| !text.is_empty());
        let extensions = extensions.as_deref().filter(|text| !text.is_empty());
        let fields = RequestFields {
            query: query.as_deref().map(|query| BorrowedText(query.into())),
            operation_name: operation_name.clone(),
            variables: variables.map(parse).transpose()?,
            extensions: extensions.map(parse).transpose()?,
        };
        fields.into_request(max_values)
    }
}

/// Parses a body.
///
/// # Errors
/// Returns a problem if the body is not a GraphQL request or an array of them, or the variables of a request have more
/// than `max_values` values.
pub fn parse_body(body: &str, max_values: usize) -> Result<RequestBody<'_>, Problem> {
    if body.trim_ascii_start().starts_with('[') {
        let items: Vec<&RawValue> = parse(body)?;
        let parse_item =
            |item: &RawValue| parse::<RequestFields>(item.get())?.into_request(max_values).map(Request::from);
        return Ok(RequestBody::Batch(items.into_iter().map(parse_item).collect::<Result<_, _>>()?));
    }
    Ok(RequestBody::Single(parse::<RequestFields>(body)?.into_request(max_values)?))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Problem> {
    serde_json::from_str(json)
        .map_err(|error| Problem::malformed(format!("invalid GraphQL request: {error}")))
}

impl<'a> RequestFields<'a> {
    fn into_request(self, max_values: usize) -> Result<RawRequest<'a>, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let extensions = extensions.unwrap_or_default();
        let query = query.map(|BorrowedText(query)| query).unwrap_or_default();
        if query.is_empty() && !extensions.contains_key("persistedQuery") {
            return Err(Problem::malformed("a GraphQL request must be an object with a `query`"));
        }
        let variables =
            variables.map(|variables| parse_variables(variables.get(), max_values)).transpose()?;
        let variables = variables.unwrap_or_else(|| RawVariables::Many(Variables::default()));
        Ok(RawRequest { query, operation_name, variables, extensions })
    }
}

fn parse_variables(variables: &str, max_values: usize) -> Result<RawVariables<'_>, Problem> {
    let values = count_values(variables);
    if values > max_values {
        let detail = format!("the variables have more than {max_values} values: split the request");
        return Err(Problem::too_large(detail));
    }
    if values <= SINGLE_VARIABLE_VALUES
        && let Ok(SingleVariable(variables)) = serde_json::from_str(variables)
    {
        return Ok(variables);
    }
    parse(variables).map(RawVariables::Many)
}

/// Variables of an object with at most one member.
struct SingleVariable<'a>(RawVariables<'a>);

impl<'de> Deserialize<'de> for SingleVariable<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SingleVariableVisitor).map(Self)
    }
}

struct SingleVariableVisitor;

impl<'de> Visitor<'de> for SingleVariableVisitor {
    type Value = RawVariables<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with at most one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawVariables<'de>, A::Error> {
        Ok(match map.next_entry()? {
            Some((BorrowedText(name), value)) => RawVariables::Single(name, value),
            None => RawVariables::Many(Variables::default()),
        })
    }
}

/// Result of [`count_values`] for an object with one member that is neither a list nor an object.
const SINGLE_VARIABLE_VALUES: usize = 2;

/// Estimates the number of values in a JSON text, without parsing it.
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
