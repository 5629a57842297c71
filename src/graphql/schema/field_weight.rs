//! The weight of a field, for the query cost analysis.

/// What makes a field cost more than one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldWeight {
    /// Number of items of the result.
    pub items: Items,
    /// Whether the database may have to scan all products.
    pub scans: Scans,
}

/// Number of items that multiplies the cost of a field's selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// At most one, or as many as the enclosing field counts already.
    One,
    /// An estimate.
    About(usize),
    /// The arguments `first` and `last`.
    Page,
    /// One for each item of this argument.
    PerItemOf(&'static str),
}

/// Whether the database may have to scan all products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scans {
    Never,
    Always,
    /// If any of these arguments is given.
    WithAny(&'static [&'static str]),
}

impl FieldWeight {
    /// Weight of fields without an entry.
    pub const DEFAULT: Self = Self { items: Items::One, scans: Scans::Never };
    /// Weight of a list whose items the enclosing page counts.
    pub const OF_PAGE: Self = Self::DEFAULT;

    /// Returns the weight of a list with one item for each item of this argument.
    pub const fn per_item_of(argument: &'static str) -> Self {
        Self { items: Items::PerItemOf(argument), ..Self::DEFAULT }
    }

    /// Returns the weight of a list of about this length.
    pub const fn about(items: usize) -> Self {
        Self { items: Items::About(items), ..Self::DEFAULT }
    }
}
