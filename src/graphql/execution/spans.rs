//! Spans for operations and for the fields of the root, which do the work: as many as a trace needs, where one is made.

use std::sync::Arc;

use async_graphql::{
    ServerResult, Value,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};
use tracing::{Instrument, Span, info_span};

use crate::trace_targets::OTEL_TARGET;

/// The span of an operation (semantic conventions for GraphQL servers).
pub fn operation(kind: &'static str, name: Option<&str>) -> Span {
    info_span!(
        target: OTEL_TARGET,
        "graphql",
        // The name is the client's: good for a look at one trace, not for a list of all.
        otel.name = format!("GraphQL {kind}"),
        graphql.operation.type = kind,
        graphql.operation.name = name,
    )
}

/// A span for each field of the root.
pub struct RootFields;

impl ExtensionFactory for RootFields {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for RootFields {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        if info.path_node.parent.is_some() {
            return next.run(ctx, info).await;
        }
        let span = info_span!(
            target: OTEL_TARGET,
            "field",
            otel.name = format!("{}.{}", info.parent_type, info.name),
            graphql.field.path = %info.path_node,
        );
        next.run(ctx, info).instrument(span).await
    }
}
