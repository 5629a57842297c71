//! Translation of the domain's filters and sort orders into SQL.

pub(super) mod filter;
pub(super) mod keyset;
