//! Preconditions of changes: a change applies only to a version that the client has seen.

use entity::{InvalidValue, Version};

use super::Error;

/// Versions of a product that a change may apply to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No precondition was sent. Fails if versions are required.
    None,
    /// Any existing version.
    Any,
    /// One of these versions.
    Versions(Vec<Version>),
}

impl Precondition {
    /// Returns whether a product at this version may be changed.
    pub fn matches(&self, version: Version) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// Parses one version.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the text is not a version.
    pub fn parse_version(text: &str) -> Result<Self, Error> {
        let version = text
            .parse()
            .map_err(|error: InvalidValue| Error::invalid("expectedVersion", error.to_string()))?;
        Ok(Self::Versions(vec![version]))
    }
}
