//! What becomes of statements, and who is told of it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr, sqlx::error::DatabaseError};

/// Is told what statements do.
pub trait StatementObserver: Send + Sync {
    /// A statement has got its connection.
    fn connection_acquired(&self, time: Duration);
    /// A statement has ended: SELECT, INSERT, UPDATE, DELETE or OTHER.
    fn statement_finished(&self, operation: &'static str, time: Duration, outcome: Outcome);
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it is for.
    Ok,
    /// It would have used a key twice, and did nothing: no failure, since whoever sends it is prepared for that.
    UniqueViolation,
    /// The database did not do it.
    Error,
}

impl Outcome {
    pub(super) fn of<T>(done: &Result<T, DbErr>) -> Self {
        match done {
            Ok(_) => Self::Ok,
            Err(error) if is_unique_violation(error) => Self::UniqueViolation,
            Err(_) => Self::Error,
        }
    }
}

/// Whether a key is taken that a statement wanted to use.
pub fn is_unique_violation(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error().is_some_and(DatabaseError::is_unique_violation)
        }
        _ => false,
    }
}

/// One who is told, if there is one. Cheap to clone.
#[derive(Clone)]
pub struct OptionalObserver(pub(super) Option<Arc<dyn StatementObserver>>);

impl OptionalObserver {
    pub(super) fn connection_acquired(&self, time: Duration) {
        if let Some(watch) = &self.0 {
            watch.connection_acquired(time);
        }
    }

    /// A statement that began at `start` is done.
    pub(super) fn statement_finished<T>(
        &self,
        operation: &'static str,
        start: Instant,
        done: &Result<T, DbErr>,
    ) -> Outcome {
        let outcome = Outcome::of(done);
        if let Some(watch) = &self.0 {
            watch.statement_finished(operation, start.elapsed(), outcome);
        }
        outcome
    }
}

impl fmt::Debug for OptionalObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OptionalObserver")
    }
}
