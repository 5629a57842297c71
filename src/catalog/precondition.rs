//! Optimistic locking: a change applies only to a version that the client has seen.

use entity::{InvalidValue, Version, product};
use sea_orm::{ColumnTrait, Condition};

use super::{Catalog, Error, ProductId};

/// Returns a random version for new rows, which no earlier product has had.
pub(super) fn new_version() -> Version {
    Version::first(uuid::Uuid::new_v4().as_u64_pair().0)
}

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

/// Attempts before giving up when concurrent changes keep invalidating the last result.
pub(super) const MAX_ATTEMPTS: usize = 100;

impl Catalog {
    /// Returns the condition that selects the product if it meets the precondition.
    pub(super) fn match_row(&self, id: ProductId, precondition: &Precondition) -> Result<Condition, Error> {
        let row = Condition::all().add(product::Column::Id.eq(id));
        match precondition {
            Precondition::None if self.0.options.require_version => Err(Error::VersionRequired),
            Precondition::None | Precondition::Any => Ok(row),
            Precondition::Versions(versions) => {
                Ok(row.add(product::Column::Version.is_in(versions.iter().copied())))
            }
        }
    }

    /// Returns the error that explains why no row matched: the product does not exist or has another version.
    /// `Ok` means that the product matches now and the caller should retry.
    pub(super) async fn explain_no_match(
        &self,
        id: ProductId,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        let current = self.get_from(self.0.database.writes(), id).await?;
        if precondition.matches(current.version) {
            Ok(())
        } else {
            Err(Error::VersionMismatch(current.version))
        }
    }
}
