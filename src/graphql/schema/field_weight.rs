//! Field weights for the query cost analysis.

/// Properties of a field that raise its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldWeight {
    /// Number of items in the result.
    pub items: Items,
    /// Whether the database may have to scan all products.
    pub scans: Scans,
}

/// Number of items by which the cost of a field's selection is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// A single item, or items that the enclosing field already counts.
    One,
    /// About this many items.
    About(usize),
    /// As many items as the argument `first` or `last` requests.
    Page,
    /// One item for each item of this argument.
    PerItemOf(&'static str),
}

/// Condition under which the database may have to scan all products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scans {
    Never,
    Always,
    /// Only if any of these arguments is given.
    WithAny(&'static [&'static str]),
}

impl FieldWeight {
    /// Weight of fields that have no entry in a list of weights.
    pub const DEFAULT: Self = Self { items: Items::One, scans: Scans::Never };
    /// Weight of a list in a page. The page itself already counts the items.
    pub const OF_PAGE: Self = Self::DEFAULT;

    /// Returns the weight of a list with one item for each item of this argument.
    pub const fn per_item_of(argument: &'static str) -> Self {
        Self { items: Items::PerItemOf(argument), ..Self::DEFAULT }
    }

    /// Returns the weight of a list with about this many items.
    pub const fn about(items: usize) -> Self {
        Self { items: Items::About(items), ..Self::DEFAULT }
    }
}
