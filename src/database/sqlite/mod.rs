//! SQLite by rusqlite, for the statements of which there are most.

pub(super) mod connection;
pub(super) mod error;
