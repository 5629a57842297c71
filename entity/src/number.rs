//! Numbers as sent, read exactly: no binary floating point between what was sent and what is stored.

use std::borrow::Cow;

/// What was sent as a number: in JSON's notation (RFC 8259 section 6), also with zeros in front. Whether it is one is told
/// where its value is asked for. Two are equal where they are spelt alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecimalText<'a>(Repr<'a>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr<'a> {
    /// The usual one.
    Plain(Plain),
    /// Any other.
    Other(Cow<'a, str>),
}

/// A whole number of 10^-`decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plain {
    number: i64,
    decimals: u8,
}

/// Why a number is none of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// Not a decimal number at all.
    NotANumber,
    /// It has non-zero digits beyond the scale.
    TooPrecise,
    /// It is beyond an `i64`.
    TooLarge,
}

impl DecimalText<'static> {
    /// The number that the text begins with, and the rest of the text; `None` where there is none, or it has more than 18
    /// digits. An exponent is not read.
    pub fn parse_prefix(text: &[u8]) -> Option<(Self, &[u8])> {
        Plain::parse_prefix(text).map(|(plain, rest)| (Self(Repr::Plain(plain)), rest))
    }
}

impl DecimalText<'_> {
    /// It as a whole number of 10^-`scale`. The value counts, not its spelling: `1.50`, `15e-1` and `1.5` are the same.
    pub(crate) fn scaled(&self, scale: u8) -> Result<i64, NumberError> {
        match &self.0 {
            Repr::Plain(plain) => plain.scaled(scale),
            Repr::Other(text) => match text.strip_prefix('-') {
                Some(unsigned) => any(unsigned, scale).map(|number| -number),
                None => any(text, scale),
            },
        }
    }
}

impl<'a> From<Cow<'a, str>> for DecimalText<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(match Plain::parse_prefix(text.as_bytes()) {
            Some((plain, [])) => Repr::Plain(plain),
            _ => Repr::Other(text),
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

impl Plain {
    /// So many digits are no more than an `i64` holds.
    const MOST_DIGITS: usize = 18;

    fn parse_prefix(text: &[u8]) -> Option<(Self, &[u8])> {
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        let (mut number, mut rest) = digits(0, unsigned);
        let whole = unsigned.len() - rest.len();
        let mut decimals = 0;
        if let [b'.', fraction @ ..] = rest {
            (number, rest) = digits(number, fraction);
            decimals = fraction.len() - rest.len();
            if decimals == 0 {
                return None;
            }
        }
        if whole == 0 || whole + decimals > Self::MOST_DIGITS {
            return None;
        }
        let number = if unsigned.len() < text.len() { -number } else { number };
        Some((Self { number, decimals: u8::try_from(decimals).ok()? }, rest))
    }

    fn scaled(self, scale: u8) -> Result<i64, NumberError> {
        if let Some(missing) = scale.checked_sub(self.decimals) {
            let unit = 10_i64.checked_pow(missing.into());
            return unit.and_then(|unit| self.number.checked_mul(unit)).ok_or(NumberError::TooLarge);
        }
        // No more than the digits are.
        let beyond = 10_i64.pow((self.decimals - scale).into());
        if self.number % beyond == 0 { Ok(self.number / beyond) } else { Err(NumberError::TooPrecise) }
    }
}

/// The number with the digits behind it that the text begins with, and the rest of the text. Beyond an `i64` the number is
/// wrong: who calls counts the digits.
fn digits(mut number: i64, mut text: &[u8]) -> (i64, &[u8]) {
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        number = number.wrapping_mul(10).wrapping_add((digit - b'0').into());
        text = rest;
    }
    (number, text)
}

/// Any spelling but for the sign.
fn any(unsigned: &str, scale: u8) -> Result<i64, NumberError> {
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        None => (number, ""),
        Some(_) => return Err(NumberError::NotANumber),
    };
    if !is_digits(whole) {
        return Err(NumberError::NotANumber);
    }

    let digits = [whole, fraction].concat();
    let kept = digits.trim_end_matches('0');
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // The power of ten, in units of 10^-scale, of the last digit that is not zero.
    let place = i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(kept.len()).unwrap_or(0);
    let power = exponent + i64::from(scale) + place;
    let power = u32::try_from(power).map_err(|_| NumberError::TooPrecise)?;
    10_i64
        .checked_pow(power)
        .and_then(|unit| significant.parse::<i64>().ok()?.checked_mul(unit))
        .ok_or(NumberError::TooLarge)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Reads an exponent; one beyond any use is cut to ±10^9, which is as far out of range.
fn parse_exponent(text: &str) -> Result<i64, NumberError> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if !is_digits(digits) {
        return Err(NumberError::NotANumber);
    }
    let far = 1_000_000_000;
    Ok(sign * digits.parse::<i64>().map_or(far, |n| n.min(far)))
}
