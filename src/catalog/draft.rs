//! A product as a client sent it: nothing checked yet, every value still in the sender's own spelling.

use std::{borrow::Cow, str::FromStr};

use entity::InvalidValue;

use super::{At, Error, Fault};

/// The fields of a product as sent, whichever interface took them.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    /// The product's number.
    pub id: Value<'a>,
    /// What it is called.
    pub name: Value<'a>,
    /// What one piece costs.
    pub price: Value<'a>,
    /// How many are in stock.
    pub amount: Value<'a>,
}

/// A value as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value<'a> {
    /// The field was not sent.
    #[default]
    Missing,
    /// The field was sent more than once.
    Repeated,
    /// An explicit null.
    Null,
    /// A number's text.
    Number(Cow<'a, str>),
    /// A string.
    Text(Cow<'a, str>),
    /// A string that holds half a surrogate pair.
    BrokenText,
    /// Anything else.
    Other,
}

/// Collects what is wrong with one draft.
pub(super) struct Check {
    at: At,
    pub(super) faults: Vec<Fault>,
}

impl Check {
    pub(super) fn new(at: At) -> Self {
        Self { at, faults: Vec::new() }
    }

    /// What was checked, or all that is wrong with it.
    pub(super) fn passed<T>(self, checked: T) -> Result<T, Error> {
        if self.faults.is_empty() { Ok(checked) } else { Err(Error::Invalid(self.faults)) }
    }

    pub(super) fn fault(&mut self, field: &'static str, detail: impl Into<Cow<'static, str>>) {
        self.faults.push(Fault { at: self.at, field, detail: detail.into() });
    }

    /// A field that must be there.
    pub(super) fn required<T>(&mut self, field: &'static str, value: &Value) -> Option<T>
    where
        T: Field,
    {
        if *value == Value::Missing {
            self.fault(field, "is missing");
            return None;
        }
        self.optional(field, value)
    }

    /// A field that may be missing, but not null.
    pub(super) fn optional<T: Field>(&mut self, field: &'static str, value: &Value) -> Option<T> {
        let detail = match (value, T::IS_TEXT) {
            (Value::Missing, _) => return None,
            (Value::Text(text), true) | (Value::Number(text), false) => match text.parse::<T>() {
                Ok(value) => return Some(value),
                Err(fault) => fault.to_string().into(),
            },
            (Value::Repeated, _) => Cow::Borrowed("must be given only once"),
            (Value::Null, _) => "must not be null".into(),
            (Value::BrokenText, _) => "must be valid Unicode text".into(),
            (_, true) => "must be a string".into(),
            (_, false) => "must be a number".into(),
        };
        self.fault(field, detail);
        None
    }
}

/// A value type, and how it is spelt.
pub(super) trait Field: FromStr<Err = InvalidValue> {
    /// Whether it is sent as a string; else as a number.
    const IS_TEXT: bool = false;
}

impl Field for super::ProductId {}
impl Field for super::Price {}
impl Field for super::Amount {}
impl Field for super::Name {
    const IS_TEXT: bool = true;
}
