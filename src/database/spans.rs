//! A span for each statement, as a part of the trace that it serves.

use sea_orm::{DbBackend, DbErr};
use tracing::{Instrument, Span, field::Empty, info_span};

use super::observer::Outcome;
use crate::trace_targets::OTEL_TARGET;

/// The span of a statement (semantic conventions for database clients); its text has places for values, not values.
pub(super) fn statement(backend: DbBackend, operation: &'static str, sql: &str) -> Span {
    info_span!(
        target: OTEL_TARGET,
        "sql",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = if backend == DbBackend::Postgres { "postgresql" } else { "sqlite" },
        db.operation.name = operation,
        db.query.text = sql,
    )
}

/// Runs it in its span.
pub(super) async fn within<T>(span: Span, run: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let done = run.instrument(span.clone()).await;
    if Outcome::of(&done) == Outcome::Error {
        span.record("otel.status_code", "ERROR");
    }
    done
}
