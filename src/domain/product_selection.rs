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
        let mut selected = HashSet::new();
        for text in ids {
            let id = text.trim().parse();
            selected.insert(id.map_err(|error: InvalidValue| Error::invalid(field, error.to_string()))?);
            if selected.len() > Self::MAX_IDS {
                return Err(Error::invalid(field, format!("accepts at most {} values", Self::MAX_IDS)));
            }
        }
        Ok(Self(Some(selected)))
    }

    /// Returns whether the subscriber receives this item. Errors and resync events are always delivered.
    pub(crate) fn includes(&self, event: &Result<Event, Error>) -> bool {
        match (event, &self.0) {
            (Ok(Event::Change(change)), Some(ids)) => ids.contains(&change.id),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_ids_displace_no_others() {
        let ids: Vec<String> = (1..=1000).chain(1..=1000).map(|id| id.to_string()).collect();
        let ProductSelection(selected) =
            ProductSelection::from_ids(ids.iter().rev().map(String::as_str), "id").unwrap();
        assert_eq!(selected.unwrap().len(), 1000);
        let ids: Vec<String> = (1..=1001).map(|id| id.to_string()).collect();
        assert!(ProductSelection::from_ids(ids.iter().map(String::as_str), "id").is_err());
        let repeated: Vec<&str> = std::iter::repeat_n("1", 1000).chain(["2"]).collect();
        let ProductSelection(selected) = ProductSelection::from_ids(repeated.into_iter(), "id").unwrap();
        assert_eq!(selected.unwrap().len(), 2);
    }
}
