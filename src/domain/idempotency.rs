//! Idempotency keys: a request that is sent again is carried out once (IETF draft "The Idempotency-Key HTTP
//! Header Field").

use super::Error;

/// Client's name for a request: 1 to 255 visible ASCII characters without quotation marks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Validates a key.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the length or a character is not allowed.
    pub fn new(text: &str) -> Result<Self, Error> {
        let valid = (1..=255).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        let rule = "must be 1 to 255 visible ASCII characters without quotation marks";
        if valid { Ok(Self(text.to_owned())) } else { Err(Error::invalid("Idempotency-Key", rule)) }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digest of everything that identifies a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Identity of a request that may be sent again.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Key sent by the client.
    pub key: IdempotencyKey,
    /// Digest of the request, which detects the use of one key for two requests.
    pub fingerprint: Fingerprint,
}

/// Response to a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentResponse {
    /// Result of the work.
    pub response: String,
    /// Whether the response was stored by an earlier request.
    pub replayed: bool,
}
