//! Selection of the products that a subscriber follows.

use std::collections::HashSet;

use entity::{InvalidValue, ProductId};

use super::{Error, Event};

/// Products whose changes a subscriber receives.
#[derive(Clone, Debug)]
pub struct ProductSelection(Option<HashSet<ProductId>>);

impl ProductSelection {
    /// The selection of all products.
    pub const ALL: Self = Self(None);
    const MAX_IDS: usize = 1000;

    /// Selects products by id. `field` is the field name in errors.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if an id is invalid or there are more than 1000 ids.
    pub fn from_ids<'a>(ids: impl Iterator<Item = &'a str>, field: &'static str) -> Result<Self, Error> {
        let parse = |text: &str| {
            text.trim().parse().map_err(|error: InvalidValue| Error::invalid(field, error.to_string()))
        };
        let ids = ids.take(Self::MAX_IDS + 1).map(parse).collect::<Result<HashSet<_>, _>>()?;
        if ids.len() > Self::MAX_IDS {
            return Err(Error::invalid(field, format!("accepts at most {} values", Self::MAX_IDS)));
        }
        Ok(Self(Some(ids)))
    }

    /// Returns whether the subscriber receives this item. Errors and resync events are always delivered.
    pub(crate) fn includes(&self, event: &Result<Event, Error>) -> bool {
        match (event, &self.0) {
            (Ok(Event::Change(change)), Some(ids)) => ids.contains(&change.id),
            _ => true,
        }
    }
}
