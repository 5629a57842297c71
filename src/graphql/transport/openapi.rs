//! OpenAPI schema of GraphQL request bodies.

#![expect(dead_code, reason = "only its schema is used")]

use utoipa::ToSchema;

/// A GraphQL request (GraphQL over HTTP).
#[derive(ToSchema)]
#[schema(example = json!({
    "query": "query($n: Int) { products(first: $n) { nodes { id name } } }",
    "variables": { "n": 3 },
}))]
pub struct Request {
    /// GraphQL document
    query: Option<String>,
    /// Name of the operation to execute
    #[schema(rename = "operationName")]
    operation_name: Option<String>,
    /// Values of the variables, by name
    #[schema(value_type = Option<serde_json::Value>)]
    variables: Option<()>,
    /// Protocol extensions, such as `persistedQuery` with a document's SHA-256 hash
    #[schema(value_type = Option<serde_json::Value>)]
    extensions: Option<()>,
}
