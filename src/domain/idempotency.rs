//! Idempotency keys, with which a repeated request is carried out only once (IETF draft "The Idempotency-Key
//! HTTP Header Field").

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{Error, Identity};

/// Key chosen by the client: 1 to 255 visible ASCII characters without quotation marks.
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

    /// Returns the key as one of this caller, so that callers cannot read each other's responses. The text of a key
    /// has no spaces.
    #[must_use]
    pub fn of(self, caller: &Identity) -> Self {
        match caller {
            Identity::Anonymous => self,
            // Subjects may be long, and their shown texts may be equal.
            Identity::Subject { issuer, subject } => {
                let issuer = Sha256::digest(issuer);
                let digest = Sha256::new().chain_update(issuer).chain_update(subject).finalize();
                Self(format!("jwt:{} {}", BASE64_URL_SAFE_NO_PAD.encode(digest), self.0))
            }
            caller => Self(format!("{caller} {}", self.0)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digest of the parts of a request that must be the same when its key is used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Identity of a request that the client may repeat.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: IdempotencyKey,
    /// Digest of the request, which detects that one key is used for different requests.
    pub fingerprint: Fingerprint,
}

/// Response to a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentResponse {
    /// Response to the first request with the key, serialized.
    pub response: String,
    /// Whether an earlier request stored the response.
    pub replayed: bool,
}
