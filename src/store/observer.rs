//! Reports the duration and outcome of statements to an observer, such as metrics.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::StoreError;

/// Receives the measurements of all statements.
pub trait StatementObserver: Send + Sync {
    /// Receives the time that a statement or transaction waited for its connection, also after a timeout.
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

    pub(super) fn from_result<T>(result: &Result<T, StoreError>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(StoreError::IdTaken) => Self::UniqueViolation,
            Err(_) => Self::Error,
        }
    }
}

/// A [`StatementObserver`], if any. Cheap to clone.
#[derive(Clone)]
pub(super) struct OptionalObserver(pub Option<Arc<dyn StatementObserver>>);

impl OptionalObserver {
    pub fn connection_acquired(&self, time: Duration) {
        if let Some(observer) = &self.0 {
            observer.connection_acquired(time);
        }
    }

    /// Reports a statement that began at `start`.
    pub fn statement_finished<T>(
        &self,
        operation: &'static str,
        start: Instant,
        result: &Result<T, StoreError>,
    ) {
        if let Some(observer) = &self.0 {
            observer.statement_finished(operation, start.elapsed(), Outcome::from_result(result));
        }
    }
}

impl fmt::Debug for OptionalObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OptionalObserver")
    }
}

/// Returns the verb of a statement as `db.operation.name` (OpenTelemetry semantic conventions).
pub(super) fn operation_name(sql: &str) -> &'static str {
    let sql = sql.trim_start();
    let is = |word: &str| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let verbs = ["INSERT", "UPDATE", "DELETE"];
    if is("SELECT") {
        "SELECT"
    } else if let Some(verb) = verbs.into_iter().find(|verb| is(verb)) {
        verb
    } else if is("WITH") {
        // The verb follows the common table expressions.
        verbs.into_iter().find(|verb| sql.contains(&format!("{verb} "))).unwrap_or("SELECT")
    } else {
        "OTHER"
    }
}
