//! Filters of product lists.

use std::str::FromStr;

use entity::{Amount, InvalidValue, Price, ProductId};

use super::Error;

/// Conditions, all of which a product must match. An empty filter matches every product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

/// Condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Id(Comparison<ProductId>),
    Price(Comparison<Price>),
    Amount(Comparison<Amount>),
    Name(NameTest),
}

/// Comparison of a field with valid values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison<T> {
    One(Operator, T),
    /// Equality with one of these values.
    In(Vec<T>),
}

/// Operator of a comparison with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Gte,
    /// Less than.
    Lt,
    /// Less than or equal.
    Lte,
}

/// Comparison of the name with a text. The case of ASCII letters is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTest {
    pub operator: NameOperator,
    pub operand: NameOperand,
}

/// Operator of a comparison of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOperator {
    Eq,
    Contains,
    /// The name starts with the text.
    Prefix,
}

/// Text that the name is compared with: 1 to 255 characters, with ASCII letters in lower case and without
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOperand(String);

/// Maximum number of conditions, because each adds a level of nesting to the SQL expression.
const MAX_CONDITIONS: usize = 50;
/// Maximum number of values of one `in` condition. Longer lists rarely fit into a URL, and both databases
/// limit the parameters of a statement.
const MAX_VALUES: usize = 1000;
const MAX_NAME_CHARS: usize = 255;

/// A field that can be compared with numbers.
pub trait Comparable: FromStr<Err = InvalidValue> {
    const FIELD: &'static str;

    /// Creates the condition for a comparison of the field.
    fn condition(comparison: Comparison<Self>) -> Condition;

    /// Parses a number sent as text.
    ///
    /// # Errors
    /// Returns an [`InvalidValue`] if the text, without surrounding white space, is not a valid number.
    fn parse(text: &str) -> Result<Self, InvalidValue> {
        text.trim().parse()
    }
}

impl Comparable for ProductId {
    const FIELD: &'static str = "id";

    fn condition(comparison: Comparison<Self>) -> Condition {
        Condition::Id(comparison)
    }
}

impl Comparable for Price {
    const FIELD: &'static str = "price";

    fn condition(comparison: Comparison<Self>) -> Condition {
        Condition::Price(comparison)
    }
}

impl Comparable for Amount {
    const FIELD: &'static str = "amount";

    fn condition(comparison: Comparison<Self>) -> Condition {
        Condition::Amount(comparison)
    }
}

impl<T: Comparable> Comparison<T> {
    /// Creates a comparison with one value.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the value is invalid.
    pub fn one(operator: Operator, value: Result<T, InvalidValue>) -> Result<Self, Error> {
        value.map(|value| Self::One(operator, value)).map_err(invalid_value::<T>)
    }

    /// Creates a comparison that matches any of the values.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a value is invalid or there are more than 1000 values.
    pub fn any_of(values: impl ExactSizeIterator<Item = Result<T, InvalidValue>>) -> Result<Self, Error> {
        if values.len() > MAX_VALUES {
            return Err(Error::invalid(T::FIELD, format!("accepts at most {MAX_VALUES} values")));
        }
        values.collect::<Result<_, _>>().map(Self::In).map_err(invalid_value::<T>)
    }
}

fn invalid_value<T: Comparable>(error: InvalidValue) -> Error {
    Error::invalid(T::FIELD, error.to_string())
}

impl NameOperand {
    /// Validates text sent by a client.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the text is empty, too long or contains control characters.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.chars().count() > MAX_NAME_CHARS || text.chars().any(char::is_control) {
            let rule = "must be compared with 1 to 255 characters, none of them control characters";
            return Err(Error::invalid("name", rule));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// Returns the text, with ASCII letters in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Condition {
    fn field(&self) -> &'static str {
        match self {
            Self::Id(_) => ProductId::FIELD,
            Self::Price(_) => Price::FIELD,
            Self::Amount(_) => Amount::FIELD,
            Self::Name(_) => "name",
        }
    }
}

impl Filter {
    /// Adds a condition.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the filter has too many conditions.
    pub fn add(&mut self, condition: Condition) -> Result<(), Error> {
        if self.0.len() >= MAX_CONDITIONS {
            let detail = format!("exceeds the limit of {MAX_CONDITIONS} conditions in a filter");
            return Err(Error::invalid(condition.field(), detail));
        }
        self.0.push(condition);
        Ok(())
    }

    pub fn conditions(&self) -> &[Condition] {
        &self.0
    }

    /// Returns whether the filter matches every product.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
