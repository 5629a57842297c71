//! The value types of a product's fields, each with its range.

use std::{fmt, str::FromStr};

use sea_orm::DeriveValueType;

use crate::number::{DecimalText, NumberError};

/// Why a value is refused, in words for the one who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(&'static str);

const NOT_A_NUMBER: InvalidValue = InvalidValue("must be a number");

/// A whole number from `min` to `max`; `rule` tells what it has to be.
///
/// # Errors
/// It is no such number.
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

/// The number of a product: 1 to 2^53 − 1, the integers that JSON carries safely (RFC 8259 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
pub struct ProductId(i64);

impl ProductId {
    /// The largest id.
    pub const MAX: i64 = (1 << 53) - 1;

    /// The id as a plain integer.
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

/// Which state of a product it is: another one after every change, and also when it is deleted and made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveValueType)]
pub struct Version(i64);

impl Version {
    /// A first version, made of random bits so that no product had it before. One is added at every change.
    pub fn first(random: u64) -> Self {
        // Two bits less leave room for more changes than a product will ever see.
        Self((random >> 2).cast_signed())
    }

    /// The version as a plain integer.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl FromStr for Version {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_ours = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let version = if is_ours { u64::from_str_radix(text, 16).ok() } else { None };
        version.map(u64::cast_signed).map(Self).ok_or(InvalidValue("must be a version as it was answered"))
    }
}

impl fmt::Display for Version {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not by `write!`, for the same reason as a price.
        let digits: [u8; 16] = std::array::from_fn(|place| {
            let digit = self.0.cast_unsigned() >> (60 - 4 * place) & 15;
            b"0123456789abcdef"[digit as usize]
        });
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

/// What a product is called: 1 to 255 characters without white space around them, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct Name(String);

impl Name {
    /// The most characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as text of its own.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Name {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let name = text.trim();
        if name.is_empty() {
            return Err(InvalidValue("must not be empty"));
        }
        // A character takes one to four bytes: few have to be counted.
        let is_long = name.len() > Self::MAX_CHARS;
        if is_long && (name.len() > 4 * Self::MAX_CHARS || name.chars().count() > Self::MAX_CHARS) {
            return Err(InvalidValue("must have at most 255 characters"));
        }
        // Not by `all`, which looks at one byte at a time.
        let is_plain = name.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
        if !is_plain && name.chars().any(char::is_control) {
            return Err(InvalidValue("must not contain control characters"));
        }
        Ok(Self(name.to_owned()))
    }
}

/// What one piece costs: 0 to 9 999 999 999.9999, exact to four decimals.
///
/// Stored as a whole number of ten-thousandths, which both databases keep, compare and sort exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, DeriveValueType)]
pub struct Price(i64);

impl Price {
    const SCALE: u8 = 4;
    const UNIT: i64 = 10_i64.pow(Self::SCALE as u32);

    /// The highest price, in ten-thousandths.
    pub const MAX: i64 = 99_999_999_999_999;

    /// The price in ten-thousandths.
    pub fn ten_thousandths(self) -> i64 {
        self.0
    }

    /// What it is displayed as, in parts: all digits that count and at least one decimal (`18.0`), as the service before
    /// printed a price.
    pub fn display_parts<'a>(
        self,
        whole: &'a mut itoa::Buffer,
        decimals: &'a mut itoa::Buffer,
    ) -> [&'a str; 3] {
        let (mut fraction, mut unit) = (self.0 % Self::UNIT, Self::UNIT);
        while unit > 10 && fraction % 10 == 0 {
            (fraction, unit) = (fraction / 10, unit / 10);
        }
        [whole.format(self.0 / Self::UNIT), ".", &decimals.format(unit + fraction)[1..]]
    }
}

impl TryFrom<&DecimalText<'_>> for Price {
    type Error = InvalidValue;

    fn try_from(number: &DecimalText) -> Result<Self, InvalidValue> {
        match number.scaled(Self::SCALE) {
            Ok(price) if (0..=Self::MAX).contains(&price) => Ok(Self(price)),
            Err(NumberError::NotANumber) => Err(NOT_A_NUMBER),
            Err(NumberError::TooPrecise) => Err(InvalidValue("must have at most 4 decimals")),
            _ => Err(InvalidValue("must be from 0 to 9999999999.9999")),
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
        // Without the padding of `write!`, which would take longer than all the rest of a product.
        let (mut whole, mut decimals) = Default::default();
        self.display_parts(&mut whole, &mut decimals).into_iter().try_for_each(|part| f.write_str(part))
    }
}

/// How many pieces are in stock: 0 to 2^31 − 1, what a GraphQL `Int` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, DeriveValueType)]
pub struct Amount(i32);

impl Amount {
    /// The largest amount.
    pub const MAX: i32 = i32::MAX;

    /// The amount as a plain integer.
    pub fn get(self) -> i32 {
        self.0
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
