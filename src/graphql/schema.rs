//! Puts the schema together, with limits against hostile documents.

use async_graphql::EmptySubscription;

use super::{mutation::Mutation, query::Query};
use crate::catalog::Catalog;

/// The schema with the catalog behind it.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Deeper than any tool's introspection query.
const MAX_DEPTH: usize = 20;
/// Every field costs 1 and a list's fields once per product asked for: a page of 1,000 with all fields fits
/// twice, hundreds of aliased lists do not.
const MAX_COMPLEXITY: usize = 20_000;
const MAX_DIRECTIVES: usize = 10;

/// The schema over this catalog.
pub fn build(catalog: Catalog) -> Schema {
    let builder = async_graphql::Schema::build(Query, Mutation, EmptySubscription).data(catalog);
    builder.limit_depth(MAX_DEPTH).limit_complexity(MAX_COMPLEXITY).limit_directives(MAX_DIRECTIVES).finish()
}

/// The schema definition language of the schema, as `schema.graphql` has it.
pub fn sdl() -> String {
    async_graphql::Schema::build(Query, Mutation, EmptySubscription).finish().sdl()
}
