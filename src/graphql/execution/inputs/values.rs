//! Checks input values against their types (GraphQL specification, sections 3.10 and 5.6). async-graphql
//! checks no object that contains a variable, and accepts text for an enum and anything for an input object.

use std::{borrow::Cow, fmt};

use async_graphql::{
    Name, Value as ConstValue,
    indexmap::IndexMap,
    registry::{MetaInputValue, MetaType, MetaTypeName},
};
use async_graphql_value::Value;

use crate::graphql::schema::{CHECKS, filter::has_operators, registry::REGISTRY};

/// A literal in a document, or a variable's value in JSON.
pub trait InputValue: Sized {
    fn shape(&self) -> Shape<'_, Self>;
}

/// Structure of an input value.
pub enum Shape<'a, V> {
    Null,
    Variable(&'a Name),
    List(&'a [V]),
    Object(&'a IndexMap<Name, V>),
    Leaf(Cow<'a, ConstValue>),
}

impl InputValue for Value {
    fn shape(&self) -> Shape<'_, Self> {
        match self {
            Self::Null => Shape::Null,
            Self::Variable(name) => Shape::Variable(name),
            Self::List(items) => Shape::List(items),
            Self::Object(fields) => Shape::Object(fields),
            leaf => Shape::Leaf(Cow::Owned(leaf.clone().into_const().unwrap_or_default())),
        }
    }
}

impl InputValue for ConstValue {
    fn shape(&self) -> Shape<'_, Self> {
        match self {
            Self::Null => Shape::Null,
            Self::List(items) => Shape::List(items),
            Self::Object(fields) => Shape::Object(fields),
            leaf => Shape::Leaf(Cow::Borrowed(leaf)),
        }
    }
}

/// Whether a value was read from a document or from JSON. Only JSON has no other notation for an enum than
/// text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Document,
    Json,
}

/// Position of a value: an argument, a field of an input object, an item of a list, or a variable.
#[derive(Clone, Copy)]
pub struct Location<'a> {
    /// Type in GraphQL's notation.
    pub kind: &'a str,
    /// Whether the schema has a default for this position.
    pub has_default: bool,
    pub nulls: Nulls,
    name: &'a str,
    parent: Option<&'a Location<'a>>,
}

/// Whether a position of a nullable type accepts null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    Accepted,
    /// Null is invalid, because it would disable a check that the client has named.
    Rejected,
    /// An absent variable is invalid, too.
    RejectedAsAbsent,
}

impl<'a> Location<'a> {
    /// Returns the position of a variable or an argument.
    pub fn new(name: &'a str, kind: &'a str, has_default: bool) -> Self {
        Self { kind, has_default, nulls: Nulls::Accepted, name, parent: None }
    }

    /// Returns the position of a field's argument.
    pub fn of_argument(argument: &'a MetaInputValue) -> Self {
        let nulls = if CHECKS.contains(&argument.name.as_str()) { Nulls::Rejected } else { Nulls::Accepted };
        Self { nulls, ..Self::from(argument) }
    }

    /// Returns the same position with a different type.
    fn of_kind(self, kind: &'a str) -> Self {
        Self { kind, ..self }
    }
}

impl<'a> From<&'a MetaInputValue> for Location<'a> {
    fn from(input: &'a MetaInputValue) -> Self {
        Self::new(&input.name, &input.ty, input.default_value.is_some())
    }
}

/// Formats the path, such as `filter.id.eq`.
impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.parent {
            Some(parent) if self.name.is_empty() => parent.fmt(f),
            Some(parent) => write!(f, "{parent}.{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// Checks a value and passes each variable in it to `use_variable`.
///
/// # Errors
/// Returns the path of the first invalid value, and what is wrong.
pub fn check<V: InputValue>(
    value: &V,
    at: &Location,
    source: Source,
    use_variable: &mut impl FnMut(&Name, &Location),
) -> Result<(), String> {
    match (value.shape(), MetaTypeName::create(at.kind)) {
        (Shape::Variable(name), _) => use_variable(name, at),
        (Shape::Null, MetaTypeName::NonNull(_)) => return Err(null_value(at)),
        (Shape::Null, _) if at.nulls != Nulls::Accepted => return Err(null_value(at)),
        (Shape::Null, _) => {}
        (Shape::List(items), MetaTypeName::List(kind)) => {
            let item = Location { parent: Some(at), ..Location::new("", kind, false) };
            return items.iter().try_for_each(|value| check(value, &item, source, use_variable));
        }
        // A single value counts as a list with one item (section 3.11).
        (_, MetaTypeName::NonNull(kind) | MetaTypeName::List(kind)) => {
            return check(value, &at.of_kind(kind), source, use_variable);
        }
        (shape, MetaTypeName::Named(kind)) => match (shape, REGISTRY.types.get(kind)) {
            (Shape::Object(fields), Some(MetaType::InputObject { input_fields, .. })) => {
                return check_fields(fields, input_fields, &at.of_kind(kind), source, use_variable);
            }
            (Shape::Leaf(leaf), Some(kind)) if is_valid_leaf(&leaf, kind, source) => {}
            // The library rejects documents with unknown types.
            (_, None) => {}
            _ => return Err(format!("`{at}` must be of type {kind}")),
        },
    }
    Ok(())
}

/// Returns the error message for null in a position that rejects it.
pub fn null_value(at: &Location) -> String {
    format!("`{at}` must not be null: leave it out or send a value")
}

fn check_fields<V: InputValue>(
    fields: &IndexMap<Name, V>,
    known: &IndexMap<String, MetaInputValue>,
    at: &Location,
    source: Source,
    use_variable: &mut impl FnMut(&Name, &Location),
) -> Result<(), String> {
    if let Some(unknown) = fields.keys().find(|name| !known.contains_key(name.as_str())) {
        return Err(format!("`{at}.{unknown}` is not a field of {}", at.kind));
    }
    for input in known.values() {
        let nulls = if has_operators(at.kind) { Nulls::RejectedAsAbsent } else { Nulls::Accepted };
        let field = Location { parent: Some(at), nulls, ..Location::from(input) };
        match fields.get(input.name.as_str()) {
            Some(value) => check(value, &field, source, use_variable)?,
            None if input.ty.ends_with('!') && input.default_value.is_none() => {
                return Err(format!("`{field}` is missing"));
            }
            None => {}
        }
    }
    Ok(())
}

fn is_valid_leaf(value: &ConstValue, kind: &MetaType, source: Source) -> bool {
    match (kind, value) {
        // Integers have 32 bits (section 3.5.1).
        (MetaType::Scalar { name, .. }, ConstValue::Number(number)) if name == "Int" => {
            number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
        }
        (MetaType::Scalar { is_valid, .. }, value) => {
            is_valid.as_ref().is_none_or(|is_valid| is_valid(value))
        }
        (MetaType::Enum { enum_values, .. }, ConstValue::Enum(name)) => {
            enum_values.contains_key(name.as_str())
        }
        (MetaType::Enum { enum_values, .. }, ConstValue::String(name)) => {
            source == Source::Json && enum_values.contains_key(name.as_str())
        }
        _ => false,
    }
}
