//! A product as a client sent it: nothing checked yet.

use std::borrow::Cow;

use entity::{DecimalText, InvalidValue};

use super::{Error, FieldError, Location};

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
    Duplicate,
    /// An explicit null.
    Null,
    /// A number.
    Number(DecimalText<'a>),
    /// A string.
    Text(Cow<'a, str>),
    /// A string that holds half a surrogate pair.
    InvalidUnicode,
    /// Anything else.
    Other,
}

/// Collects what is wrong with one draft.
pub(super) struct Validator {
    at: Location,
    pub(super) faults: Vec<FieldError>,
}

impl Validator {
    pub(super) fn new(at: Location) -> Self {
        Self { at, faults: Vec::new() }
    }

    /// What was checked, or all that is wrong with it.
    pub(super) fn passed<T>(self, checked: T) -> Result<T, Error> {
        if self.faults.is_empty() { Ok(checked) } else { Err(Error::Invalid(self.faults)) }
    }

    pub(super) fn fault(&mut self, field: &'static str, detail: impl Into<Cow<'static, str>>) {
        self.faults.push(FieldError { at: self.at, field, detail: detail.into() });
    }

    /// A field that must be there.
    pub(super) fn required<T>(&mut self, field: &'static str, value: &Value) -> Option<T>
    where
        T: FromValue,
    {
        if *value == Value::Missing {
            self.fault(field, "is missing");
            return None;
        }
        self.optional(field, value)
    }

    /// A field that may be missing, but not null.
    pub(super) fn optional<T: FromValue>(&mut self, field: &'static str, value: &Value) -> Option<T> {
        let detail = match (T::of(value), value) {
            (Some(Ok(checked)), _) => return Some(checked),
            (Some(Err(fault)), _) => fault.to_string().into(),
            (None, Value::Missing) => return None,
            (None, Value::Duplicate) => Cow::Borrowed("must be given only once"),
            (None, Value::Null) => "must not be null".into(),
            (None, Value::InvalidUnicode) => "must be valid Unicode text".into(),
            (None, _) => T::KIND.into(),
        };
        self.fault(field, detail);
        None
    }
}

/// A value type, and how it is sent.
pub(super) trait FromValue: Sized {
    /// What it must be.
    const KIND: &'static str = "must be a number";

    /// It, where the value is of its kind.
    fn of(value: &Value) -> Option<Result<Self, InvalidValue>>;
}

impl Value<'_> {
    pub(super) fn number(&self) -> Option<&DecimalText<'_>> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

impl FromValue for super::ProductId {
    fn of(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl FromValue for super::Price {
    fn of(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl FromValue for super::Amount {
    fn of(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl FromValue for super::Name {
    const KIND: &'static str = "must be a string";

    fn of(value: &Value) -> Option<Result<Self, InvalidValue>> {
        if let Value::Text(text) = value { Some(text.parse()) } else { None }
    }
}
