//! Puts the schema together.

pub mod connection;
pub mod filter;
pub mod mutation;
pub mod product;
pub mod query;
pub mod scalars;
pub mod subscription;

use async_graphql::{SDLExportOptions, SchemaBuilder};

use super::{
    error::GraphqlErrorCode,
    execution::{cached_validation, cost::Limits, spans},
};
use crate::{catalog::Catalog, trace_targets::export_enabled};
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

/// The schema with the catalog behind it.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    async_graphql::Schema::build(Query, Mutation, Subscription).register_output_type::<GraphqlErrorCode>()
}

/// The schema over this catalog.
pub fn build(catalog: Catalog, limits: &Limits) -> Schema {
    // Ours come first, with codes of their own.
    let schema = builder().data(catalog).limit_recursive_depth(limits.depth.saturating_add(1));
    // With an extension each field is dearer that is not written at once (see `ready`): less than to validate it.
    let schema = schema.extension(cached_validation::IdempotentResponse);
    if export_enabled() { schema.extension(spans::RootFields).finish() } else { schema.finish() }
}

/// The schema definition language of the schema, as `schema.graphql` has it.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions();
    builder().finish().sdl_with_options(options.use_space_ident())
}
