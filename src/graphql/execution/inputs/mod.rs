//! Input values: literals, variables and their defaults. async-graphql is more lenient than the GraphQL
//! specification here, and checks some variables only while it executes a document.

pub mod rules;
mod uses;
mod values;
pub mod variables;
