//! Sorted and filtered lists of products, and their pages.

use super::{Comparison, Condition, Cursor, Error, Filter, Product, SortOrder};

/// A sorted and filtered list of products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub filter: Filter,
    /// Sort order; by default, ascending ids.
    pub order: SortOrder,
}

/// Part of a listing: the first or last products between two cursors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub(crate) size: u64,
    pub(crate) from_end: bool,
    pub(crate) after: Option<Cursor>,
    pub(crate) before: Option<Cursor>,
}

/// Products of a listing, in its order.
#[derive(Clone, Debug)]
pub struct Page {
    pub products: Vec<Product>,
    /// Whether products of the listing follow this page.
    pub has_next: bool,
    /// Whether products of the listing precede this page.
    pub has_previous: bool,
}

impl Listing {
    /// Returns whether the list is a range of ids. Its pages read only the rows that they return.
    pub(crate) fn is_id_range(&self) -> bool {
        let is_range = |condition: &Condition| matches!(condition, Condition::Id(Comparison::One(..)));
        self.order.is_by_id() && self.filter.conditions().iter().all(is_range)
    }
}

impl PageRequest {
    /// Returns whether the page takes less time than a switch to another thread, about 50 µs.
    pub(crate) fn is_short(&self, listing: &Listing) -> bool {
        self.size <= Self::DEFAULT_SIZE && listing.is_id_range()
    }

    /// Maximum number of products on a page.
    pub const MAX_SIZE: u64 = 1000;
    /// Number of products on a page if the client sends no size.
    pub const DEFAULT_SIZE: u64 = 100;

    /// Requests a page of the maximum size after a cursor, or the first one if the cursor is `None`.
    pub fn after(after: Option<Cursor>) -> Self {
        Self { size: Self::MAX_SIZE, from_end: false, after, before: None }
    }

    /// Requests the first products between the cursors, or the last ones if only `before` is given.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the size is not between 1 and [`PageRequest::MAX_SIZE`]. Also returns it
    /// if a cursor is invalid or belongs to another sort order.
    pub fn from_limit(
        size: &str,
        after: Option<&str>,
        before: Option<&str>,
        order: &SortOrder,
    ) -> Result<Self, Error> {
        let size = size.parse().ok().filter(|size| (1..=Self::MAX_SIZE).contains(size)).ok_or_else(|| {
            Error::invalid("limit", format!("must be a whole number from 1 to {}", Self::MAX_SIZE))
        })?;
        let from_end = before.is_some() && after.is_none();
        Ok(Self {
            size,
            from_end,
            after: parse_cursor("after", after, order)?,
            before: parse_cursor("before", before, order)?,
        })
    }

    /// Requests a page with the arguments of the GraphQL Cursor Connections Specification (Relay).
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if both `first` and `last` are given, or the size is not between 0 and
    /// [`PageRequest::MAX_SIZE`]. Also returns it if a cursor is invalid or belongs to another sort order.
    pub fn from_relay(
        first: Option<i32>,
        after: Option<&str>,
        last: Option<i32>,
        before: Option<&str>,
        order: &SortOrder,
    ) -> Result<Self, Error> {
        if first.is_some() && last.is_some() {
            return Err(Error::invalid("last", "cannot be combined with first"));
        }
        let (field, requested) = if last.is_some() { ("last", last) } else { ("first", first) };
        let size = requested
            .map_or(Ok(Self::DEFAULT_SIZE), u64::try_from)
            .ok()
            .filter(|size| *size <= Self::MAX_SIZE)
            .ok_or_else(|| Error::invalid(field, format!("must be from 0 to {}", Self::MAX_SIZE)))?;
        Ok(Self {
            size,
            from_end: last.is_some(),
            after: parse_cursor("after", after, order)?,
            before: parse_cursor("before", before, order)?,
        })
    }
}

/// Decodes a cursor for a sort order. Returns `None` if no text is given.
///
/// # Errors
/// Returns [`Error::Invalid`] if the text is not a cursor or belongs to another sort order.
pub fn parse_cursor(
    field: &'static str,
    text: Option<&str>,
    order: &SortOrder,
) -> Result<Option<Cursor>, Error> {
    let decode = |text| {
        Cursor::decode(text, order).ok_or(Error::invalid(field, "is not a valid cursor for this list"))
    };
    text.map(decode).transpose()
}
