//! Relative changes of an amount.

use entity::{Amount, DecimalText, InvalidValue};

use super::{
    Error, Location,
    draft::{FromValue, Validator, Value},
};

/// Quantity to add to an amount; a negative quantity reduces the amount. Its absolute value is at most
/// 2^31 − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockAdjustment(i32);

impl StockAdjustment {
    /// Validates a quantity sent by a client.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the quantity is missing, is not a whole number or is out of range.
    pub fn new(delta: &Value) -> Result<Self, Error> {
        let mut validator = Validator::new(Location::Root);
        let delta = validator.required("delta", delta);
        validator.finish(delta).map_err(Error::Invalid)
    }

    /// Returns the quantity, which is negative for a removal.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<&DecimalText<'_>> for StockAdjustment {
    type Error = InvalidValue;

    fn try_from(number: &DecimalText) -> Result<Self, InvalidValue> {
        let max = i64::from(Amount::MAX);
        entity::parse_integer(number, -max, max, "must be a whole number from -2147483647 to 2147483647")
            .map(|delta| Self(i32::try_from(delta).unwrap_or_default()))
    }
}

impl FromValue for StockAdjustment {
    fn from_value(value: &Value) -> Option<Result<Self, InvalidValue>> {
        value.number().map(Self::try_from)
    }
}
