//! Reports the duration and outcome of statements to an observer, such as metrics.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr, sqlx::error::DatabaseError};

/// Receives the measurements of all statements.
pub trait StatementObserver: Send + Sync {
    /// Receives the time that a statement or transaction waited for its permit, also after a timeout.
    fn connection_acquired(&self, time: Duration);
    /// Receives the duration of a finished statement. `operation` is SELECT, INSERT, UPDATE, DELETE or OTHER.
    fn statement_finished(&self, operation: &'static str, time: Duration, outcome: Outcome);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// A duplicate key, which does not count as an error because callers expect and handle it.
    UniqueViolation,
    Error,
}

impl Outcome {
    /// Returns the name of the outcome in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UniqueViolation => "unique_violation",
            Self::Error => "error",
        }
    }

    pub(super) fn from_result<T>(result: &Result<T, DbErr>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(error) if is_unique_violation(error) => Self::UniqueViolation,
            Err(_) => Self::Error,
        }
    }
}

/// Returns whether a statement failed because of a duplicate key.
pub fn is_unique_violation(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error().is_some_and(DatabaseError::is_unique_violation)
        }
        _ => false,
    }
}

/// A [`StatementObserver`], if any. Cheap to clone.
#[derive(Clone)]
pub struct OptionalObserver(pub(super) Option<Arc<dyn StatementObserver>>);

impl OptionalObserver {
    pub(super) fn connection_acquired(&self, time: Duration) {
        if let Some(observer) = &self.0 {
            observer.connection_acquired(time);
        }
    }

    /// Reports a statement that began at `start`, and returns its outcome.
    pub(super) fn statement_finished<T>(
        &self,
        operation: &'static str,
        start: Instant,
        result: &Result<T, DbErr>,
    ) -> Outcome {
        let outcome = Outcome::from_result(result);
        if let Some(observer) = &self.0 {
            observer.statement_finished(operation, start.elapsed(), outcome);
        }
        outcome
    }
}

impl fmt::Debug for OptionalObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OptionalObserver")
    }
}
