//! Numbers with all their digits. async-graphql reads a number with a fraction or an exponent as binary
//! floating point, which rounds it. Here [`Value::Binary`] carries the text of such a number to the scalar
//! `Decimal`. Clients cannot send `Value::Binary` in any other way, and all other scalars reject it.

use std::fmt;

use async_graphql::{
    Name, Number, Positioned, Value, Variables,
    indexmap::IndexMap,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, Selection, SelectionSet, VariableDefinition,
    },
};
use async_graphql_value::Value as DocumentValue;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::number_literals::NumberLiterals;

/// Parses the variables of a request, a JSON object or null.
///
/// # Errors
/// Returns an error if the text is any other value or invalid JSON.
pub fn parse_variables(json: &str) -> serde_json::Result<Variables> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let variables = deserializer.deserialize_any(VariablesReader(NumberLiterals::new(json)))?;
    deserializer.end()?;
    Ok(variables)
}

struct VariablesReader<'text>(NumberLiterals<'text>);

impl<'de> Visitor<'de> for VariablesReader<'_> {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of variables")
    }

    fn visit_unit<E>(self) -> Result<Variables, E> {
        Ok(Variables::default())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Variables, A::Error> {
        let mut variables = Variables::default();
        while let Some(name) = members.next_key::<Name>()? {
            variables.insert(name, members.next_value_seed(ValueReader(&mut self.0))?);
        }
        Ok(variables)
    }
}

/// Reads a JSON value. serde passes numbers without their text, so each number takes the next text of the
/// literals.
struct ValueReader<'a, 'text>(&'a mut NumberLiterals<'text>);

impl ValueReader<'_, '_> {
    fn integer(self, value: Number) -> Value {
        self.0.next();
        Value::Number(value)
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.integer(value.into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        self.0.next().map(exact).ok_or_else(|| E::custom("invalid number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(ValueReader(self.0))? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = IndexMap::new();
        while let Some(name) = members.next_key::<Name>()? {
            values.insert(name, members.next_value_seed(ValueReader(self.0))?);
        }
        Ok(Value::Object(values))
    }
}

fn exact(literal: &str) -> Value {
    Value::Binary(literal.to_owned().into())
}

/// Replaces the rounded numbers in a document with their exact digits. The document was parsed from `text`.
pub fn restore_digits(document: &mut ExecutableDocument, text: &str) {
    let operations = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    let operations = operations.into_iter().map(|Positioned { pos, node }| {
        (*pos, node.variable_definitions.as_mut_slice(), &mut node.selection_set.node)
    });
    let fragments = document.fragments.values_mut();
    let fragments =
        fragments.map(|Positioned { pos, node }| (*pos, Default::default(), &mut node.selection_set.node));
    let mut definitions: Vec<(_, &mut [Positioned<VariableDefinition>], _)> =
        operations.chain(fragments).collect();
    definitions.sort_by_key(|(pos, ..)| *pos);
    let mut literals = NumberLiterals::new(text);
    for (_, variables, selection_set) in definitions {
        for variable in variables {
            if let Some(default) = &mut variable.node.default_value {
                let mut value = default.node.clone().into_value();
                restore_value(&mut value, &mut literals);
                default.node = value.into_const().unwrap_or_default();
            }
        }
        restore_selection_set(selection_set, &mut literals);
    }
}

/// Restores the numbers in a selection set. The recursion is as deep as the document's nesting, which
/// [`is_too_deep`](super::nesting_depth::is_too_deep) limits.
fn restore_selection_set(set: &mut SelectionSet, literals: &mut NumberLiterals) {
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => {
                let Field { arguments, selection_set, .. } = &mut field.node;
                for (_, value) in arguments {
                    restore_value(&mut value.node, literals);
                }
                restore_selection_set(&mut selection_set.node, literals);
            }
            Selection::InlineFragment(fragment) => {
                restore_selection_set(&mut fragment.node.selection_set.node, literals);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn restore_value(value: &mut DocumentValue, literals: &mut NumberLiterals) {
    match value {
        DocumentValue::Number(number) => {
            // The skipped literals are in directives, or in duplicate fields of an object.
            let literal =
                literals.find(|literal| literal.parse().is_ok_and(|parsed: Number| parsed == *number));
            if number.is_f64()
                && let Some(literal) = literal
            {
                *value = exact(literal).into_value();
            }
        }
        DocumentValue::List(items) => items.iter_mut().for_each(|item| restore_value(item, literals)),
        DocumentValue::Object(fields) => fields.values_mut().for_each(|field| restore_value(field, literals)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_keep_their_digits() {
        let json =
            r#"{ "a\"1.5": [1, -2.50, "3.5", 1e400x], "b": { "c": 0.10, "c": 12345678901234567890.1 } }"#;
        let json = json.replace("1e400x", "18446744073709551616");
        let variables = parse_variables(&json).unwrap();
        let Some(Value::List(items)) = variables.get("a\"1.5") else { panic!("{variables:?}") };
        let expected = [Value::from(1), exact("-2.50"), Value::from("3.5"), exact("18446744073709551616")];
        assert_eq!(items.as_slice(), expected);
        let Some(Value::Object(fields)) = variables.get("b") else { panic!("{variables:?}") };
        assert_eq!(fields["c"], exact("12345678901234567890.1"));
        assert!(parse_variables("null").unwrap().is_empty());
        for invalid in ["5", "[1.5]", "{} x", "{", r#"{"a":1e400}"#] {
            assert!(parse_variables(invalid).is_err(), "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn documents_keep_their_digits(numbers in prop::collection::vec("-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?", 8)) {
            let [a, b, c, d, e, f, g, h] = numbers.as_slice() else { unreachable!() };
            // The digits of a skipped number such as 0.0 would be found for the next number if it is -0. Only
            // invalid documents have skipped numbers.
            prop_assume!(d.parse::<f64>() != e.parse());
            let text = format!(
                "fragment f on Q {{ x1(a: {a}, b: [{b}, \"{h}\" # {h}\n {{ y2: {c} }}]) @skip(if: {d}) {{ z }} }}
                query B($v1: D = {e}) {{ x(a: $v1, b: \"\"\"{h} \\\"\"\" {h}\"\"\", c: {f}) {{ ...f }} }}
                query A {{ x(a: {g}) }}"
            );
            let mut document = parse_query(&text).unwrap();
            restore_digits(&mut document, &text);
            let found = format!("{document:?}");
            for number in [a, b, c, e, f, g] {
                let parsed: Number = number.parse().unwrap();
                let expected = if parsed.is_f64() { exact(number) } else { Value::Number(parsed) };
                prop_assert!(found.contains(&format!("{expected:?}")), "{number} {found}");
            }
        }
    }
}
