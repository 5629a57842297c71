//! Reads requests as the GraphQL-over-HTTP specification has them (section 5).

use std::{borrow::Cow, collections::HashMap, fmt};

use async_graphql::{Name, Request, Value, Variables};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::http::problem::Problem;

/// What was sent: one request, or an array of them.
pub enum Sent<'a> {
    One(Asked<'a>),
    /// They own what was sent, since they are answered aside.
    Batch(Vec<Request>),
}

/// A request as it was sent. The library's own is made of it where the library carries it out.
pub struct Asked<'a> {
    /// The document; empty where there is only its hash.
    pub query: Cow<'a, str>,
    pub operation_name: Option<String>,
    pub variables: Given<'a>,
    pub extensions: HashMap<String, Value>,
}

/// The values of variables.
pub enum Given<'a> {
    /// Of a single one, as most requests have at most: to make a map of it takes as long as to read it.
    One(Cow<'a, str>, Value),
    Any(Variables),
}

impl Given<'_> {
    /// The value of the variable with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::One(given, value) => (given == name).then_some(value),
            Self::Any(variables) => variables.get(name),
        }
    }
}

impl From<Asked<'_>> for Request {
    fn from(asked: Asked<'_>) -> Self {
        let Asked { query, operation_name, variables, extensions } = asked;
        let mut request = Self::new(query);
        request.operation_name = operation_name;
        request.variables = match variables {
            Given::One(name, value) => {
                Variables::from_value(Value::Object([(Name::new(name), value)].into()))
            }
            Given::Any(variables) => variables,
        };
        request.extensions.extend(extensions);
        request
    }
}

/// What a client can send of it.
impl From<Request> for Asked<'_> {
    fn from(request: Request) -> Self {
        let Request { query, operation_name, variables, extensions, .. } = request;
        Self {
            query: query.into(),
            operation_name,
            variables: Given::Any(variables),
            extensions: extensions.0,
        }
    }
}

/// The members of a request; null is the same as nothing, and others are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with a `query`")]
struct Members<'a> {
    #[serde(borrow)]
    query: Option<Text<'a>>,
    operation_name: Option<String>,
    /// Not read before their values are counted.
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    extensions: Option<HashMap<String, Value>>,
}

/// Borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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
    pub fn asked(&self, most: usize) -> Result<Asked<'_>, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let variables = variables.as_deref().filter(|text| !text.is_empty());
        let extensions = extensions.as_deref().filter(|text| !text.is_empty());
        let members = Members {
            query: query.as_deref().map(|query| Text(query.into())),
            operation_name: operation_name.clone(),
            variables: variables.map(parse).transpose()?,
            extensions: extensions.map(parse).transpose()?,
        };
        members.asked(most)
    }
}

/// Reads a body; no request may have more values in its variables than `most`.
///
/// # Errors
/// It is no JSON, or not that of a request.
pub fn read(body: &str, most: usize) -> Result<Sent<'_>, Problem> {
    if body.trim_ascii_start().starts_with('[') {
        let parts: Vec<&RawValue> = parse(body)?;
        let read = |part: &RawValue| parse::<Members>(part.get())?.asked(most).map(Request::from);
        return Ok(Sent::Batch(parts.into_iter().map(read).collect::<Result<_, _>>()?));
    }
    Ok(Sent::One(parse::<Members>(body)?.asked(most)?))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Problem> {
    serde_json::from_str(json)
        .map_err(|error| Problem::malformed(format!("that is no GraphQL request: {error}")))
}

impl<'a> Members<'a> {
    fn asked(self, most: usize) -> Result<Asked<'a>, Problem> {
        let Self { query, operation_name, variables, extensions } = self;
        let extensions = extensions.unwrap_or_default();
        let query = query.map(|Text(query)| query).unwrap_or_default();
        if query.is_empty() && !extensions.contains_key("persistedQuery") {
            return Err(Problem::malformed("a GraphQL request is an object with a `query`"));
        }
        let variables = variables.map(|variables| given(variables.get(), most)).transpose()?;
        let variables = variables.unwrap_or_else(|| Given::Any(Variables::default()));
        Ok(Asked { query, operation_name, variables, extensions })
    }
}

fn given(variables: &str, most: usize) -> Result<Given<'_>, Problem> {
    let values = values(variables);
    if values > most {
        let detail = format!("the variables have more than {most} values: send them in parts");
        return Err(Problem::too_large(detail));
    }
    if values <= VALUES_OF_ONE
        && let Ok(AtMostOne(given)) = serde_json::from_str(variables)
    {
        return Ok(given);
    }
    parse(variables).map(Given::Any)
}

/// An object with at most one member.
struct AtMostOne<'a>(Given<'a>);

impl<'de> Deserialize<'de> for AtMostOne<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AtMostOneVisitor).map(Self)
    }
}

struct AtMostOneVisitor;

impl<'de> Visitor<'de> for AtMostOneVisitor {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with at most one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
        Ok(match map.next_entry()? {
            Some((Text(name), value)) => Given::One(name, value),
            None => Given::Any(Variables::default()),
        })
    }
}

/// What [`values`] counts in an object with at most one member, which is no list and no object.
const VALUES_OF_ONE: usize = 2;

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
