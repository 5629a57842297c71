//! What became of a statement.

use sea_orm::{DbErr, SqlErr};

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it is for.
    Done,
    /// It would have used a key twice, which is for the client to hear of.
    Refused,
    /// The database did not do it.
    Failed,
}

impl Outcome {
    pub(super) fn of<T>(done: &Result<T, DbErr>) -> Self {
        match done {
            Ok(_) => Self::Done,
            Err(error) if is_unique_violation(error) => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

/// Whether a key is taken that a statement wanted to use.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
