//! GraphQL schema: root types, objects, inputs and scalars.

pub mod connection;
pub mod field_weight;
pub mod filter;
pub mod mutation;
pub mod product;
pub mod query;
pub mod registry;
mod registry_hook;
pub mod scalars;
pub mod subscription;
pub mod weights;

use async_graphql::{SDLExportOptions, SchemaBuilder, TypeDirective, registry::Registry};

use super::error::GraphqlErrorCode;
use mutation::Mutation;
use query::Query;
use registry_hook::{Hook, RegistryHook};
use subscription::Subscription;

pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Arguments that restrict their field. Null does not disable them, only their absence does.
pub const CHECKS: [&str; 2] = ["expectedVersion", "ids"];

/// Returns a schema builder without data and extensions.
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    async_graphql::Schema::build(Query, Mutation, Subscription).register_output_type::<Hook<ErrorCodes>>()
}

/// Hook that adds the error codes to the schema. Introspection shows only types that a field or a directive
/// uses.
struct ErrorCodes;

impl RegistryHook for ErrorCodes {
    fn run(registry: &mut Registry) {
        error_code.register(registry);
    }
}

/// Code of an error, in `extensions.code`. Only tools use this directive, to list the codes.
#[TypeDirective(location = "FieldDefinition", name = "errorCode")]
fn error_code(#[graphql(desc = "The code.")] code: GraphqlErrorCode) {}

/// Returns the schema in GraphQL's schema definition language, as in `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions();
    builder().finish().sdl_with_options(options.use_space_ident())
}
