//! The `Decimal` scalar: decimal digits as they are, never through floating point on our side.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// An exact decimal number: a string in answers (`"999.99"`), a string or a number in inputs. Of a number, only
/// the first 15 digits are sure to arrive as they were written.
pub struct Decimal(pub String);

#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(digits) => Ok(Self(digits)),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}
