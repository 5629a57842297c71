//! Settings that must stay secret.

use std::fmt;

/// Text that must not appear in logs. Its `Debug` output is `…`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Parses a secret. An empty one would protect nothing, or admit no client.
///
/// # Errors
/// Returns a message if the text is empty.
pub(super) fn parse(text: &str) -> Result<Secret, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.into()) }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
