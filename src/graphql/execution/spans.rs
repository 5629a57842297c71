//! Trace spans for operations and root fields. Root fields do most of the work, so other fields get no span.

use std::{fmt::Display, sync::Arc};

use async_graphql::{
    ServerResult, Value,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};
use tracing::{Instrument, Span, info_span};

use super::observer::OperationKind;
use crate::trace_targets::OTEL_TARGET;

/// Creates an operation's span (OpenTelemetry semantic conventions for GraphQL servers).
pub fn operation(kind: OperationKind, name: Option<&str>) -> Span {
    info_span!(
        target: OTEL_TARGET,
        "graphql",
        // The operation name is an attribute, because clients choose it and span names need low cardinality.
        otel.name = format!("GraphQL {}", kind.name()),
        graphql.operation.type = kind.name(),
        graphql.operation.name = name,
    )
}

/// Creates a root field's span. `path` is the field's response key.
pub fn root_field(parent_type: &str, name: &str, path: impl Display) -> Span {
    info_span!(
        target: OTEL_TARGET,
        "field",
        otel.name = format!("{parent_type}.{name}"),
        graphql.field.path = %path,
    )
}

/// Extension that creates a span for each root field.
pub struct RootFieldSpans;

impl ExtensionFactory for RootFieldSpans {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for RootFieldSpans {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        if info.path_node.parent.is_some() {
            return next.run(ctx, info).await;
        }
        let span = root_field(info.parent_type, info.name, info.path_node);
        next.run(ctx, info).instrument(span).await
    }
}
