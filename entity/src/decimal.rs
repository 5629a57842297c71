//! Reads decimal text exactly: no binary floating point between what was sent and what is stored.

/// Why a text is no number of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a decimal number at all.
    NotANumber,
    /// It has non-zero digits beyond the scale.
    TooPrecise,
    /// It is beyond an `i64`.
    TooLarge,
}

/// Reads a number in JSON's notation (RFC 8259 section 6) as a whole number of 10^-`scale`.
///
/// The value counts, not its spelling: `1.50`, `15e-1` and `1.5` are the same.
pub(crate) fn scaled(text: &str, scale: u8) -> Result<i64, Fault> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = match plain(unsigned, scale) {
        Some(value) => value,
        None => any(unsigned, scale)?,
    };
    Ok(if negative { -value } else { value })
}

/// Any spelling but for the sign.
fn any(unsigned: &str, scale: u8) -> Result<i64, Fault> {
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        None => (number, ""),
        Some(_) => return Err(Fault::NotANumber),
    };
    if !is_digits(whole) {
        return Err(Fault::NotANumber);
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
    let power = u32::try_from(power).map_err(|_| Fault::TooPrecise)?;
    10_i64
        .checked_pow(power)
        .and_then(|unit| significant.parse::<i64>().ok()?.checked_mul(unit))
        .ok_or(Fault::TooLarge)
}

/// The usual spelling, at once: not too many digits, and a point with no more of them behind it than the scale has.
fn plain(unsigned: &str, scale: u8) -> Option<i64> {
    // So many are no more than an `i64` holds.
    if unsigned.is_empty() || unsigned.len() > 18 {
        return None;
    }
    let (value, rest) = digits(0, unsigned.as_bytes());
    let (value, decimals) = match rest {
        [] => (value, 0),
        [b'.', decimals @ ..] if rest.len() < unsigned.len() && !decimals.is_empty() => {
            let (value, rest) = digits(value, decimals);
            (value, rest.is_empty().then_some(decimals.len())?)
        }
        _ => return None,
    };
    let missing = u32::from(scale).checked_sub(u32::try_from(decimals).ok()?)?;
    (0..missing).try_fold(value, |value, _| value.checked_mul(10))
}

/// The number with the digits behind it that the text begins with, and the rest of the text.
fn digits(mut number: i64, mut text: &[u8]) -> (i64, &[u8]) {
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        number = number * 10 + i64::from(digit - b'0');
        text = rest;
    }
    (number, text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Reads an exponent; one beyond any use is cut to ±10^9, which is as far out of range.
fn parse_exponent(text: &str) -> Result<i64, Fault> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if !is_digits(digits) {
        return Err(Fault::NotANumber);
    }
    let far = 1_000_000_000;
    Ok(sign * digits.parse::<i64>().map_or(far, |n| n.min(far)))
}
