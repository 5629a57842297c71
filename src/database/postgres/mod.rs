//! What only PostgreSQL has.

mod notify;
