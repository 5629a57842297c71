//! Exact decimal numbers, parsed without binary floating point.

use std::borrow::Cow;

/// A number as sent, in JSON's notation (RFC 8259 section 6); leading zeros are allowed. Invalid text is an
/// error only when its value is read. `==` compares the notations, not the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecimalText<'a>(Repr<'a>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr<'a> {
    /// A number of at most 18 digits without exponent, which is the most frequent case.
    Parsed(Decimal),
    /// Any other text, parsed when its value is read.
    Text(Cow<'a, str>),
}

/// The number `units` · 10^-`decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    units: i64,
    decimals: u8,
}

/// Reason why a text has no value at the requested scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// The text is not a decimal number.
    NotANumber,
    /// The number has more decimals than the scale, and not all of these are zero.
    TooPrecise,
    /// The number does not fit into an `i64`.
    TooLarge,
}

impl DecimalText<'static> {
    /// Parses the number at the start of the text, and returns it with the remaining text. An exponent is not
    /// parsed. Returns `None` if the text does not start with a number of at most 18 digits.
    pub fn parse_prefix(text: &[u8]) -> Option<(Self, &[u8])> {
        Decimal::parse_prefix(text).map(|(decimal, rest)| (Self(Repr::Parsed(decimal)), rest))
    }
}

impl DecimalText<'_> {
    /// Returns the number as an integer multiple of 10^-`scale`. Different notations of the same number, such
    /// as `1.50`, `15e-1` and `1.5`, have the same result. `scale` must be at most 18, because 10^18 is the
    /// largest power of ten in an `i64`.
    pub(crate) fn scaled(&self, scale: u8) -> Result<i64, NumberError> {
        match &self.0 {
            Repr::Parsed(decimal) => decimal.scaled(scale),
            Repr::Text(text) => match text.strip_prefix('-') {
                Some(unsigned) => parse_scaled(unsigned, scale).map(|number| -number),
                None => parse_scaled(text, scale),
            },
        }
    }
}

impl<'a> From<Cow<'a, str>> for DecimalText<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(match Decimal::parse_prefix(text.as_bytes()) {
            Some((decimal, [])) => Repr::Parsed(decimal),
            _ => Repr::Text(text),
        })
    }
}

impl<'a> From<&'a str> for DecimalText<'a> {
    fn from(text: &'a str) -> Self {
        Cow::from(text).into()
    }
}

impl From<String> for DecimalText<'_> {
    fn from(text: String) -> Self {
        Cow::from(text).into()
    }
}

impl From<i32> for DecimalText<'_> {
    fn from(integer: i32) -> Self {
        Self(Repr::Parsed(Decimal { units: integer.into(), decimals: 0 }))
    }
}

impl Decimal {
    /// Number of digits that always fit into an `i64`.
    const MAX_DIGITS: usize = 18;

    fn parse_prefix(text: &[u8]) -> Option<(Self, &[u8])> {
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        let (mut units, mut rest) = append_digits(0, unsigned);
        let integer_digits = unsigned.len() - rest.len();
        let mut decimals = 0;
        if let [b'.', fraction @ ..] = rest {
            (units, rest) = append_digits(units, fraction);
            decimals = fraction.len() - rest.len();
            if decimals == 0 {
                return None;
            }
        }
        if integer_digits == 0 || integer_digits + decimals > Self::MAX_DIGITS {
            return None;
        }
        let units = if unsigned.len() < text.len() { -units } else { units };
        Some((Self { units, decimals: u8::try_from(decimals).ok()? }, rest))
    }

    fn scaled(self, scale: u8) -> Result<i64, NumberError> {
        if let Some(missing) = scale.checked_sub(self.decimals) {
            let factor = 10_i64.checked_pow(missing.into());
            return factor.and_then(|factor| self.units.checked_mul(factor)).ok_or(NumberError::TooLarge);
        }
        // This cannot overflow, because a parsed number has at most MAX_DIGITS decimals.
        let divisor = 10_i64.pow((self.decimals - scale).into());
        if self.units % divisor == 0 { Ok(self.units / divisor) } else { Err(NumberError::TooPrecise) }
    }
}

/// Appends the digits at the start of the text to the number, and returns the number with the remaining text.
/// The number wraps on overflow, so callers must reject too many digits.
fn append_digits(mut number: i64, mut text: &[u8]) -> (i64, &[u8]) {
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        number = number.wrapping_mul(10).wrapping_add((digit - b'0').into());
        text = rest;
    }
    (number, text)
}

/// Parses an unsigned number of any length, with or without exponent, as an integer multiple of 10^-`scale`.
fn parse_scaled(unsigned: &str, scale: u8) -> Result<i64, NumberError> {
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (integer, fraction) = match number.split_once('.') {
        Some((integer, fraction)) if is_digits(fraction) => (integer, fraction),
        None => (number, ""),
        Some(_) => return Err(NumberError::NotANumber),
    };
    if !is_digits(integer) {
        return Err(NumberError::NotANumber);
    }

    let digits = [integer, fraction].concat();
    let kept = digits.trim_end_matches('0');
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // Power of ten of the last non-zero digit, first without the exponent, then in units of 10^-scale.
    let digit_power =
        i64::try_from(integer.len()).unwrap_or(i64::MAX) - i64::try_from(kept.len()).unwrap_or(0);
    let power = exponent + i64::from(scale) + digit_power;
    let power = u32::try_from(power).map_err(|_| NumberError::TooPrecise)?;
    10_i64
        .checked_pow(power)
        .and_then(|factor| significant.parse::<i64>().ok()?.checked_mul(factor))
        .ok_or(NumberError::TooLarge)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Parses an exponent and clamps it to ±10^9, which is out of range as well.
fn parse_exponent(text: &str) -> Result<i64, NumberError> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if !is_digits(digits) {
        return Err(NumberError::NotANumber);
    }
    let limit = 1_000_000_000;
    Ok(sign * digits.parse::<i64>().map_or(limit, |n| n.min(limit)))
}

#[cfg(test)]
mod tests;
