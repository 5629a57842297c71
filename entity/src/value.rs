//! The value types of a product's fields, with their valid ranges.

use std::{fmt, str::FromStr};

use sea_orm::DeriveValueType;

use crate::number::{DecimalText, NumberError};

/// Reason why a value is invalid, as a message for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(&'static str);

const NOT_A_NUMBER: InvalidValue = InvalidValue("must be a number");

/// Returns the integer if it is between `min` and `max`. `rule` is the error message for other numbers.
///
/// # Errors
/// Returns an [`InvalidValue`] if the text is not a number, or the number is not an integer or out of range.
pub fn parse_integer(
    number: &DecimalText,
    min: i64,
    max: i64,
    rule: &'static str,
) -> Result<i64, InvalidValue> {
    match number.scaled(0) {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Err(NumberError::NotANumber) => Err(NOT_A_NUMBER),
        _ => Err(InvalidValue(rule)),
    }
}

/// The id of a product: 1 to 2^53 − 1, the integers that are interoperable in JSON (RFC 8259 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(i64);

impl ProductId {
    pub const MAX: i64 = (1 << 53) - 1;

    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for ProductId {
    type Error = InvalidValue;

    fn try_from(id: i64) -> Result<Self, InvalidValue> {
        (1..=Self::MAX)
            .contains(&id)
            .then_some(Self(id))
            .ok_or(InvalidValue("must be a whole number from 1 to 9007199254740991"))
    }
}

impl TryFrom<&DecimalText<'_>> for ProductId {
    type Error = InvalidValue;

    fn try_from(number: &DecimalText) -> Result<Self, InvalidValue> {
        parse_integer(number, 1, Self::MAX, "must be a whole number from 1 to 9007199254740991").map(Self)
    }
}

impl FromStr for ProductId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::try_from(&DecimalText::from(text))
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a product. Every `i64` is valid. A product has a different version after every change, and
/// after it is deleted and created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveValueType)]
pub struct Version(i64);

impl Version {
    /// Returns the version of a new product. It is random, so a product that reuses the id of a deleted one
    /// has a different version. Every change increments the version.
    pub fn first(random: u64) -> Self {
        // The two highest bits are zero, so that later increments cannot overflow.
        Self((random >> 2).cast_signed())
    }

    /// Returns the version after one change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for Version {
    fn from(column: i64) -> Self {
        Self(column)
    }
}

impl FromStr for Version {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_well_formed =
            text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let version = if is_well_formed { u64::from_str_radix(text, 16).ok() } else { None };
        version
            .map(u64::cast_signed)
            .map(Self)
            .ok_or(InvalidValue("must be a version from a response (16 hexadecimal digits)"))
    }
}

impl fmt::Display for Version {
    /// Writes 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `write!` would be slower, because it handles padding.
        let digits: [u8; 16] = std::array::from_fn(|position| {
            let digit = self.0.cast_unsigned() >> (60 - 4 * position) & 15;
            b"0123456789abcdef"[digit as usize]
        });
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

/// The name of a product: 1 to 255 characters without control characters; surrounding white space is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Maximum length in characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 255;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// Validates a name that has no surrounding white space.
    fn check(name: &str) -> Result<(), InvalidValue> {
        if name.is_empty() {
            return Err(InvalidValue("must not be empty"));
        }
        // A character has one to four bytes, so the byte length is sufficient for most names.
        let is_long = name.len() > Self::MAX_CHARS;
        if is_long && (name.len() > 4 * Self::MAX_CHARS || name.chars().count() > Self::MAX_CHARS) {
            return Err(InvalidValue("must have at most 255 characters"));
        }
        // Unlike `all`, `fold` never stops early, so the compiler can vectorize the loop.
        let is_printable_ascii = name.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
        if !is_printable_ascii && name.chars().any(char::is_control) {
            return Err(InvalidValue("must not contain control characters"));
        }
        Ok(())
    }
}

impl FromStr for Name {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let name = text.trim();
        Self::check(name)?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidValue;

    /// Validates a name. Unlike [`Name::from_str`], rejects surrounding white space.
    fn try_from(name: String) -> Result<Self, InvalidValue> {
        if name.trim().len() < name.len() {
            return Err(InvalidValue("must not start or end with white space"));
        }
        Self::check(&name)?;
        Ok(Self(name))
    }
}

/// The price of one item: 0 to 9 999 999 999.9999, exact to four decimals.
///
/// It is an integer number of ten-thousandths, because both databases store, compare and sort integers
/// exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i64);

impl Price {
    const SCALE: u8 = 4;
    const UNIT: i64 = 10_i64.pow(Self::SCALE as u32);

    /// The maximum price, in ten-thousandths.
    pub const MAX: i64 = 99_999_999_999_999;

    /// Creates a price from a number of ten-thousandths.
    ///
    /// # Errors
    /// Returns an [`InvalidValue`] if the price is out of range.
    pub fn from_ten_thousandths(price: i64) -> Result<Self, InvalidValue> {
        (0..=Self::MAX)
            .contains(&price)
            .then_some(Self(price))
            .ok_or(InvalidValue("must be from 0 to 9999999999.9999"))
    }

    /// Returns the price in ten-thousandths.
    pub fn ten_thousandths(self) -> i64 {
        self.0
    }

    /// Returns the parts of the displayed price: integer, point and decimals. Trailing zeros are omitted,
    /// except the first decimal (`18.0`), for compatibility with the legacy service.
    pub fn display_parts<'a>(
        self,
        integer: &'a mut itoa::Buffer,
        decimals: &'a mut itoa::Buffer,
    ) -> [&'a str; 3] {
        let (mut fraction, mut unit) = (self.0 % Self::UNIT, Self::UNIT);
        while unit > 10 && fraction % 10 == 0 {
            (fraction, unit) = (fraction / 10, unit / 10);
        }
        [integer.format(self.0 / Self::UNIT), ".", &decimals.format(unit + fraction)[1..]]
    }
}

impl TryFrom<&DecimalText<'_>> for Price {
    type Error = InvalidValue;

    fn try_from(number: &DecimalText) -> Result<Self, InvalidValue> {
        match number.scaled(Self::SCALE) {
            Ok(price) => Self::from_ten_thousandths(price),
            Err(NumberError::NotANumber) => Err(NOT_A_NUMBER),
            Err(NumberError::TooPrecise) => Err(InvalidValue("must have at most 4 decimals")),
            Err(NumberError::TooLarge) => Err(InvalidValue("must be from 0 to 9999999999.9999")),
        }
    }
}

impl FromStr for Price {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::try_from(&DecimalText::from(text))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `write!` would be slower than formatting the rest of the product, because it handles padding.
        let (mut integer, mut decimals) = Default::default();
        self.display_parts(&mut integer, &mut decimals).into_iter().try_for_each(|part| f.write_str(part))
    }
}

/// The number of items in stock: 0 to 2^31 − 1, the range of a GraphQL `Int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i32);

impl Amount {
    pub const MAX: i32 = i32::MAX;

    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Amount {
    type Error = InvalidValue;

    fn try_from(amount: i32) -> Result<Self, InvalidValue> {
        (0..=Self::MAX)
            .contains(&amount)
            .then_some(Self(amount))
            .ok_or(InvalidValue("must be a whole number from 0 to 2147483647"))
    }
}

impl TryFrom<&DecimalText<'_>> for Amount {
    type Error = InvalidValue;

    fn try_from(number: &DecimalText) -> Result<Self, InvalidValue> {
        let number =
            parse_integer(number, 0, i32::MAX.into(), "must be a whole number from 0 to 2147483647")?;
        i32::try_from(number).map(Self).map_err(|_| NOT_A_NUMBER)
    }
}

impl FromStr for Amount {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::try_from(&DecimalText::from(text))
    }
}
