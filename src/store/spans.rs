//! Trace spans of statements.

use tracing::{Instrument, Span, field::Empty, info_span};

use super::{Kind, StoreError, observer::Outcome};
use crate::trace_targets::OTEL_TARGET;

/// Returns the span of a statement (OpenTelemetry semantic conventions for database clients). `sql` has
/// placeholders instead of values.
pub(super) fn statement_span(kind: Kind, operation: &'static str, sql: &str) -> Span {
    info_span!(
        target: OTEL_TARGET,
        "sql",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = %kind,
        db.operation.name = operation,
        db.query.text = sql,
    )
}

/// Runs a statement in its span and records whether it failed.
pub(super) async fn instrument<T>(
    span: Span,
    statement: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let result = statement.instrument(span.clone()).await;
    if Outcome::from_result(&result) == Outcome::Error {
        span.record("otel.status_code", "ERROR");
    }
    result
}
