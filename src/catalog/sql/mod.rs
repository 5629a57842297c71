//! Translation of the domain's filters and orders into SQL.

pub(super) mod filter;
pub(super) mod keyset;
