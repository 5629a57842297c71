//! Compares parsed numbers with a reference implementation, which moves the decimal point in the text.

use proptest::prelude::*;

use super::*;

/// Splits an unsigned number in JSON's notation into integer digits, fraction digits and exponent. Returns
/// `None` if the text is not such a number.
fn split(unsigned: &str) -> Option<(&str, &str, i128)> {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_digit());
    let (number, exponent) = match unsigned.find(['e', 'E']) {
        Some(index) => (&unsigned[..index], &unsigned[index + 1..]),
        None => (unsigned, "0"),
    };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (integer, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !is_number(integer) || !is_number(fraction) || !is_number(digits) {
        return None;
    }
    let exponent: i128 = digits.parse().ok()?;
    Some((
        integer,
        fraction,
        if unsigned.contains("e-") || unsigned.contains("E-") { -exponent } else { exponent },
    ))
}

/// Returns the expected result of [`DecimalText::scaled`].
fn reference(text: &str, scale: u8) -> Result<i64, NumberError> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction, exponent) = split(unsigned).ok_or(NumberError::NotANumber)?;
    // 200 zeros are enough, because numbers in these tests have fewer digits.
    let shift = (exponent + i128::from(scale)).clamp(-200, 200);
    let zeros = "0".repeat(200);
    let digits = [&zeros, integer, fraction, &zeros].concat();
    let point = i128::try_from(zeros.len() + integer.len()).unwrap_or_default() + shift;
    let (whole, rest) = digits.split_at(usize::try_from(point).unwrap_or_default());
    if rest.chars().any(|digit| digit != '0') {
        return Err(NumberError::TooPrecise);
    }
    let whole = whole.trim_start_matches('0');
    if whole.is_empty() {
        return Ok(0);
    }
    let whole: i64 = whole.parse().map_err(|_| NumberError::TooLarge)?;
    Ok(if text.starts_with('-') { -whole } else { whole })
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "-?[0-9]{1,20}\\.[0-9]{1,20}",
        "-?0{0,20}[0-9]{1,12}\\.[0-9]{1,6}0{0,20}",
        "-?[0-9]{1,20}(\\.[0-9]{1,20})?[eE][+-]?[0-9]{1,2}",
        "-?[0-9]{1,3}[eE][+-]?[0-9]{3,30}",
        "-?922337203685477580[0-9]{1,4}(\\.0{1,3})?(e-?[0-9])?",
    ]
}

/// Generates numbers and similar texts.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => number(), 1 => "[-+.eE0-9]{0,12}", 1 => "[-+.eE0-9 ä\u{660}]{0,6}"]
}

/// Returns the text of the number that [`DecimalText::parse_prefix`] must parse, and the remaining text.
/// Returns `None` if that function must return `None`.
fn reference_prefix(text: &str) -> Option<(&str, &str)> {
    let count = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with('-'));
    let integer = count(&text[sign..]);
    let mut end = sign + integer;
    if text[end..].starts_with('.') {
        let fraction = count(&text[end + 1..]);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    let digits = text[..end].bytes().filter(u8::is_ascii_digit).count();
    (integer > 0 && digits <= 18).then(|| text.split_at(end))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn numbers_are_scaled_exactly(text in text(), scale in 0..=18_u8) {
        prop_assert_eq!(DecimalText::from(text.as_str()).scaled(scale), reference(&text, scale));
    }

    #[test]
    fn all_notations_of_a_number_are_equal(units in any::<i32>(), decimals in 0..=9_u8, zeros in 0..=9_u8) {
        let plain = DecimalText::from(format!("{units}e-{decimals}"));
        let shifted = DecimalText::from(format!("{units}{}e-{}", "0".repeat(zeros.into()), decimals + zeros));
        for scale in 0..=9 {
            prop_assert_eq!(plain.scaled(scale), shifted.scaled(scale));
        }
        prop_assert_eq!(plain.scaled(decimals), Ok(units.into()));
    }

    #[test]
    fn a_number_is_read_up_to_the_first_other_byte(number in number(), rest in "[-+.eE0-9,} ä]{0,4}") {
        let text = number + &rest;
        let parsed = DecimalText::parse_prefix(text.as_bytes());
        let expected = reference_prefix(&text);
        prop_assert_eq!(
            parsed.as_ref().map(|(number, rest)| (number.scaled(4), *rest)),
            expected.map(|(number, rest)| (reference(number, 4), rest.as_bytes()))
        );
    }
}

#[test]
fn the_reference_knows_typical_numbers() {
    for (text, expected) in [
        ("1.50", Ok(15_000)),
        ("15e-1", Ok(15_000)),
        ("-0", Ok(0)),
        ("007", Ok(70_000)),
        ("0.00001", Err(NumberError::TooPrecise)),
        ("922337203685477.5807", Ok(i64::MAX)),
        ("922337203685477.5808", Err(NumberError::TooLarge)),
        ("1e400", Err(NumberError::TooLarge)),
        ("1e-400", Err(NumberError::TooPrecise)),
        ("0e400", Ok(0)),
        ("1.", Err(NumberError::NotANumber)),
        (".5", Err(NumberError::NotANumber)),
        ("--1", Err(NumberError::NotANumber)),
        ("1e5.5", Err(NumberError::NotANumber)),
        ("", Err(NumberError::NotANumber)),
    ] {
        assert_eq!((reference(text, 4), DecimalText::from(text).scaled(4)), (expected, expected), "{text}");
    }
}

#[test]
fn many_zeros_cancel_a_large_exponent() {
    let text = format!("15{}e-90", "0".repeat(89));
    assert_eq!(DecimalText::from(text.as_str()).scaled(4), Ok(15_000));
    let text = format!("0.{}15e90", "0".repeat(89));
    assert_eq!(DecimalText::from(text.as_str()).scaled(4), Ok(15_000));
}
