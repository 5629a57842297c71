//! Preconditions of changes: the versions to which a change may apply.

use entity::{InvalidValue, Version};

use super::Error;

/// Versions of a product to which a change may apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No precondition, which is an error if the server requires one.
    None,
    /// Any existing version.
    Any,
    /// One of these versions.
    Versions(Vec<Version>),
}

impl Precondition {
    /// Returns whether the change may apply to this version.
    pub fn matches(&self, version: Version) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// Creates a precondition from the text of one version.
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
