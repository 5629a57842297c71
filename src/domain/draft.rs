//! Product fields as sent by a client, and their validation.

use std::borrow::Cow;

use entity::{Amount, DecimalText, InvalidValue, Name, Price, ProductId};

use super::{FieldError, Location};

/// Product fields as sent through any interface, not validated yet.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    pub id: Value<'a>,
    pub name: Value<'a>,
    /// Price of one item.
    pub price: Value<'a>,
    /// Number of items in stock.
    pub amount: Value<'a>,
}

/// Value of a field as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value<'a> {
    /// The field was not sent.
    #[default]
    Missing,
    /// The field was sent more than once.
    Duplicate,
    /// An explicit null.
    Null,
    Number(DecimalText<'a>),
    Text(Cow<'a, str>),
    /// A string with an unpaired surrogate.
    InvalidUnicode,
    /// A value of any other type.
    Other,
}

/// Validates the fields of one draft and collects their errors.
pub(super) struct Validator {
    location: Location,
    errors: Vec<FieldError>,
}

impl Validator {
    pub(super) fn new(location: Location) -> Self {
        Self { location, errors: Vec::new() }
    }

    /// Returns the value if all fields were valid, otherwise all field errors.
    pub(super) fn finish<T>(self, valid: Option<T>) -> Result<T, Vec<FieldError>> {
        match valid {
            Some(valid) if self.errors.is_empty() => Ok(valid),
            _ => Err(self.errors),
        }
    }

    pub(super) fn error(&mut self, field: &'static str, detail: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError { location: self.location, field, detail: detail.into() });
    }

    /// Validates a required field. Adds an error and returns `None` if it is missing or invalid.
    pub(super) fn required<T>(&mut self, field: &'static str, value: &Value) -> Option<T>
    where
        T: FromValue,
    {
        if *value == Value::Missing {
            self.error(field, "is required");
            return None;
        }
        self.optional(field, value)
    }

    /// Validates an optional field. Returns `None` if it is missing. Adds an error and returns `None` if it
    /// is invalid, for example null.
    pub(super) fn optional<T: FromValue>(&mut self, field: &'static str, value: &Value) -> Option<T> {
        let detail = match (T::from_value(value), value) {
            (Some(Ok(valid)), _) => return Some(valid),
            (Some(Err(error)), _) => error.to_string().into(),
            (None, Value::Missing) => return None,
            (None, Value::Duplicate) => Cow::Borrowed("must be given only once"),
            (None, Value::Null) => "must not be null".into(),
            (None, Value::InvalidUnicode) => "must be valid Unicode text".into(),
            (None, _) => T::EXPECTED.into(),
        };
        self.error(field, detail);
        None
    }
}

/// Conversion of a value sent by a client to a domain type.
pub(super) trait FromValue: Sized {
    /// Error message for a value of the wrong type.
    const EXPECTED: &'static str = "must be a number";

    /// Converts the value. Returns `None` if it has the wrong type.
    fn from_value(value: &Value) -> Option<Result<Self, InvalidValue>>;
}

impl Value<'_> {
    pub(super) fn number(&self) -> Option<&DecimalText<'_>> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

impl FromValue for ProductId {
    fn from_value(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl FromValue for Price {
    fn from_value(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl FromValue for Amount {
    fn from_value(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}

impl FromValue for Name {
    const EXPECTED: &'static str = "must be a string";

    fn from_value(value: &Value) -> Option<Result<Self, InvalidValue>> {
        if let Value::Text(text) = value { Some(text.parse()) } else { None }
    }
}
