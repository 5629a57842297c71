//! API tokens: `stk_<id>_<secret><checksum>` with an id of 8 digits, a secret of 43 and a checksum of 6, all in
//! base 62. The checksum lets secret scanners tell a token from other text.

use std::{fmt, str::FromStr, time::Duration};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Error, Scopes};

const PREFIX: &str = "stk_";
const ID_DIGITS: usize = 8;
/// Number of digits of 256 random bits.
const SECRET_DIGITS: usize = 43;
/// Number of digits of a CRC-32.
const CHECKSUM_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Public part of a token: 8 base-62 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenId([u8; ID_DIGITS]);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl FromStr for TokenId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.as_bytes().try_into().ok().filter(|digits: &[u8; ID_DIGITS]| are_digits(digits));
        digits
            .map(Self)
            .ok_or_else(|| Error::invalid("id", "must be the 8 letters and digits of a token's id"))
    }
}

/// SHA-256 of a token. The server stores the digest instead of the token, and compares digests in constant time.
#[derive(Clone, Copy, Debug, Eq)]
pub struct TokenDigest(pub [u8; 32]);

impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl TokenDigest {
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Returns the id in a token, or `None` if the text is not a token with a correct checksum.
pub fn parse_token(text: &[u8]) -> Option<TokenId> {
    let (body, checksum) = text.split_last_chunk::<CHECKSUM_DIGITS>()?;
    let digits = body.strip_prefix(PREFIX.as_bytes())?;
    let (id, secret) = digits.split_first_chunk::<ID_DIGITS>()?;
    let secret = secret.strip_prefix(b"_").filter(|secret| secret.len() == SECRET_DIGITS)?;
    let is_valid = are_digits(id) && are_digits(secret) && checksum_of(body) == *checksum;
    is_valid.then_some(TokenId(*id))
}

/// Creates a token from random bytes, and returns it with its id.
pub fn new_token(id: [u8; 8], secret: [u8; 32]) -> (String, TokenId) {
    let id = base62::<ID_DIGITS>(&id);
    let mut token = [PREFIX.as_bytes(), &id, b"_", &base62::<SECRET_DIGITS>(&secret)].concat();
    token.extend(checksum_of(&token));
    (token.iter().copied().map(char::from).collect(), TokenId(id))
}

/// Returns the last `N` digits of a number, which is given as bytes in big-endian order.
fn base62<const N: usize>(number: &[u8]) -> [u8; N] {
    let mut number = number.to_vec();
    let mut digits = [0; N];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in &mut number {
            let value = remainder * 256 + u16::from(*byte);
            // The quotient is below 256, because the remainder is below 62.
            *byte = (value / 62).to_le_bytes()[0];
            remainder = value % 62;
        }
        *digit = DIGITS[usize::from(remainder)];
    }
    digits
}

fn checksum_of(body: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    base62(&crc32fast::hash(body).to_be_bytes())
}

fn are_digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_alphanumeric)
}

/// An API token as the server stores it. Times are in seconds since 1970 (UTC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub id: TokenId,
    pub name: TokenName,
    pub digest: TokenDigest,
    pub scopes: Scopes,
    pub created_at: i64,
    /// `None` if the token does not expire.
    pub expires_at: Option<i64>,
    /// `None` if the token is not revoked.
    pub revoked_at: Option<i64>,
    /// Time of the last use, up to a minute late; `None` before the first use.
    pub last_used_at: Option<i64>,
}

impl ApiToken {
    /// Returns whether the token is valid at a time.
    pub fn is_valid(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Returns the time at which the token ends, if its successor may be introduced for `grace`.
    pub fn end_after(&self, now: i64, grace: Duration) -> i64 {
        let end = now.saturating_add(i64::try_from(grace.as_secs()).unwrap_or(i64::MAX));
        self.expires_at.map_or(end, |expiry| expiry.min(end))
    }
}

/// Name of a token for people: 1 to 100 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let is_valid = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        let rule = "must be 1 to 100 characters without control characters";
        if is_valid { Ok(Self(text.to_owned())) } else { Err(Error::invalid("name", rule)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digits_are_those_of_the_number() {
        assert_eq!(&base62::<3>(&[0]), b"000");
        assert_eq!(&base62::<3>(&[61]), b"00z");
        assert_eq!(&base62::<3>(&[1, 0]), b"048");
        assert_eq!(&base62::<43>(&[255; 32]), b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    }

    proptest! {
        #[test]
        fn a_changed_token_is_invalid(id: [u8; 8], secret: [u8; 32], index in 0usize..62, digit in "[0-9A-Za-z]") {
            let (token, expected) = new_token(id, secret);
            prop_assert_eq!(token.len(), 62);
            prop_assert_eq!(parse_token(token.as_bytes()), Some(expected));
            prop_assert_eq!(expected.to_string().parse::<TokenId>().ok(), Some(expected));
            let mut changed = token.clone().into_bytes();
            changed[index] = digit.as_bytes()[0];
            prop_assert_eq!(parse_token(&changed).is_some(), changed == token.as_bytes());
            prop_assert_eq!(parse_token(&token.as_bytes()[..61]), None);
        }
    }
}
