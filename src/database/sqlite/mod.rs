//! Access to SQLite through rusqlite, for the most frequent statements.

pub(super) mod connection;
pub(super) mod error;
