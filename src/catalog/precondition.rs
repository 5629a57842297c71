//! Optimistic locking: a change can require a version of the product.

use entity::product;
use sea_orm::{ColumnTrait, Condition};

use super::Products;
use crate::domain::{Error, Precondition, ProductId, Version};

/// Returns a random version for new rows. A product that is deleted and created again must not repeat a
/// version.
pub(super) fn new_version() -> Version {
    Version::first(uuid::Uuid::new_v4().as_u64_pair().0)
}

/// Maximum number of attempts at a change, each of which may fail because of concurrent changes.
pub(super) const MAX_ATTEMPTS: usize = 100;

impl Products {
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
    /// Returns `Ok` if the product matches now, so that the caller can retry.
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
