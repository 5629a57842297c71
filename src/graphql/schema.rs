//! Puts the schema together.

use async_graphql::EmptySubscription;

use super::{mutation::Mutation, query::Query};
use crate::catalog::Catalog;

/// The schema with the catalog behind it.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Each directive of a field is looked up for every field that it is at.
const MAX_DIRECTIVES: usize = 10;

/// The schema over this catalog.
pub fn build(catalog: Catalog) -> Schema {
    let builder = async_graphql::Schema::build(Query, Mutation, EmptySubscription).data(catalog);
    builder.limit_directives(MAX_DIRECTIVES).finish()
}

/// The schema definition language of the schema, as `schema.graphql` has it.
pub fn sdl() -> String {
    async_graphql::Schema::build(Query, Mutation, EmptySubscription).finish().sdl()
}
