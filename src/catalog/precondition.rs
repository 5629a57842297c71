//! Changes of the version that was seen and no other: nobody overwrites what he does not know.

use entity::{InvalidValue, Version, product};
use sea_orm::{ColumnTrait, Condition};

use super::{Catalog, Error, ProductId};

/// A version that no product had before.
pub(super) fn fresh() -> Version {
    Version::first(uuid::Uuid::new_v4().as_u64_pair().0)
}

/// Which version of a product a change is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The client did not say.
    None,
    /// Whichever is there.
    Any,
    /// One of these.
    Versions(Vec<Version>),
}

impl Precondition {
    /// Whether this version is one of those expected.
    pub fn allows(&self, version: Version) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// This one, as it was answered.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no version looks so.
    pub fn version(text: &str) -> Result<Self, Error> {
        let version = text
            .parse()
            .map_err(|fault: InvalidValue| Error::invalid("expectedVersion", fault.to_string()))?;
        Ok(Self::Versions(vec![version]))
    }
}

/// What others make possible or impossible from one moment to the next is tried so often.
pub(super) const MAX_ATTEMPTS: usize = 100;

impl Catalog {
    /// The row of a product, if it is as expected.
    pub(super) fn row(&self, id: ProductId, expected: &Precondition) -> Result<Condition, Error> {
        let row = Condition::all().add(product::Column::Id.eq(id));
        match expected {
            Precondition::None if self.0.rules.require_version => Err(Error::VersionRequired),
            Precondition::None | Precondition::Any => Ok(row),
            Precondition::Versions(versions) => {
                Ok(row.add(product::Column::Version.is_in(versions.iter().copied())))
            }
        }
    }

    /// Why the row of a product was not found: there is no such product, or another version of it. Nothing, where it
    /// came, or became as expected, only after we had looked: it can be tried again.
    pub(super) async fn why_missing(&self, id: ProductId, expected: &Precondition) -> Result<(), Error> {
        let found = self.get_from(self.0.database.writes(), id).await?;
        if expected.allows(found.version) { Ok(()) } else { Err(Error::VersionMismatch(found.version)) }
    }
}
