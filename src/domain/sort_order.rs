//! Sort orders of product lists.

use super::Error;

/// Fields to sort by, most significant first. The last one is the id, so no two products are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortOrder(Vec<SortKey>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub column: SortColumn,
    pub direction: SortDirection,
}

/// Field that products can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortColumn {
    Id,
    /// The name, compared by code point.
    Name,
    Price,
    Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortDirection {
    /// Lowest value first.
    Ascending,
    /// Highest value first.
    Descending,
}

impl SortColumn {
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Price => "price",
            Self::Amount => "amount",
        }
    }
}

impl SortDirection {
    /// Returns the opposite direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

impl Default for SortOrder {
    /// Returns the order by ascending id.
    fn default() -> Self {
        Self(vec![SortKey { column: SortColumn::Id, direction: SortDirection::Ascending }])
    }
}

impl SortOrder {
    /// Creates an order. Adds the id if it is missing, and drops keys after the id, because ids are unique.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a field is listed twice.
    pub fn new(keys: impl IntoIterator<Item = SortKey>) -> Result<Self, Error> {
        let mut order: Vec<SortKey> = Vec::new();
        for key in keys {
            if order.iter().any(|other| other.column == key.column) {
                return Err(Error::invalid("sort", format!("lists {} twice", key.column.name())));
            }
            order.push(key);
        }
        match order.iter().position(|key| key.column == SortColumn::Id) {
            Some(index) => order.truncate(index + 1),
            None => order.extend(Self::default().0),
        }
        Ok(Self(order))
    }

    /// Returns the fields to sort by, the id last.
    pub fn keys(&self) -> &[SortKey] {
        &self.0
    }

    /// Returns whether only the id determines the order.
    pub fn is_by_id(&self) -> bool {
        self.0.len() == 1
    }

    pub(super) fn sorts_by(&self, column: SortColumn) -> bool {
        self.0.iter().any(|key| key.column == column)
    }
}
