//! Features of PostgreSQL that SQLite does not have.

mod notify;
