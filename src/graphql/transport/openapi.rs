//! What the OpenAPI document says of GraphQL's bodies, for the document alone.

#![expect(dead_code, reason = "only its schema is used")]

use utoipa::ToSchema;

/// A request (GraphQL over HTTP).
#[derive(ToSchema)]
#[schema(example = json!({ "query": "query($n: Int) { products(first: $n) { nodes { id name } } }", "variables": { "n": 3 } }))]
pub struct Request {
    /// The document
    query: Option<String>,
    /// Which of its operations
    #[schema(rename = "operationName")]
    operation_name: Option<String>,
    /// By name
    #[schema(value_type = Option<serde_json::Value>)]
    variables: Option<()>,
    /// Like `persistedQuery`: a document by its SHA-256
    #[schema(value_type = Option<serde_json::Value>)]
    extensions: Option<()>,
}
