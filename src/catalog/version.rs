//! Changes of the version that was seen and no other: nobody overwrites what he does not know.

use entity::{InvalidValue, Version, product};
use sea_orm::{ColumnTrait, Condition};

use super::{Catalog, Error, Product, ProductId};

/// Which version of a product a change is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The client did not say.
    Unstated,
    /// Whichever is there.
    Any,
    /// One of these.
    OneOf(Vec<Version>),
}

impl Expected {
    /// Whether this version is one of those expected.
    pub fn allows(&self, version: Version) -> bool {
        match self {
            Self::Unstated | Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
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
        Ok(Self::OneOf(vec![version]))
    }
}

impl Catalog {
    /// The row of a product, if it is as expected.
    pub(super) fn row(&self, id: ProductId, expected: &Expected) -> Result<Condition, Error> {
        let row = Condition::all().add(product::Column::Id.eq(id));
        match expected {
            Expected::Unstated if self.rules.require_version => Err(Error::VersionRequired),
            Expected::Unstated | Expected::Any => Ok(row),
            Expected::OneOf(versions) => {
                Ok(row.add(product::Column::Version.is_in(versions.iter().copied())))
            }
        }
    }

    /// The product of that row, or why it was not there: no such product, or another version of it.
    pub(super) async fn found(
        &self,
        product: Option<Product>,
        id: ProductId,
        expected: &Expected,
    ) -> Result<Product, Error> {
        if let Some(product) = product {
            return Ok(product);
        }
        let found = self.get_from(self.database.writes(), id).await?;
        if expected.allows(found.version) {
            // It came, or became as expected, only after we had looked.
            return Err(Error::Unavailable);
        }
        Err(Error::VersionMismatch(found.version))
    }
}
