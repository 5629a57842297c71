//! OpenAPI schemas of GraphQL requests and responses, and the errors of GraphQL over HTTP.

#![expect(dead_code, reason = "only the schemas are used")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{Content, Ref, RefOr, Response, ResponseBuilder},
};

/// A GraphQL request (GraphQL over HTTP).
#[derive(ToSchema)]
#[schema(example = json!({
    "query": "query($n: Int) { products(first: $n) { nodes { id name } } }",
    "variables": { "n": 3 },
}))]
pub struct GraphqlRequest {
    /// GraphQL document
    query: Option<String>,
    /// Name of the operation to execute
    #[schema(rename = "operationName")]
    operation_name: Option<String>,
    /// Values of the variables, by name
    variables: Option<BTreeMap<String, Value>>,
    /// Protocol extensions, such as `persistedQuery` with a document's SHA-256 hash
    extensions: Option<BTreeMap<String, Value>>,
}

/// A GraphQL response.
#[derive(ToSchema)]
pub struct GraphqlResponse {
    /// Result by field; absent if the request failed before its execution
    data: Option<BTreeMap<String, Value>>,
    #[schema(nullable = false)]
    errors: Option<Vec<GraphqlError>>,
    #[schema(nullable = false)]
    extensions: Option<BTreeMap<String, Value>>,
}

/// An error of a GraphQL request or of one of its fields.
#[derive(ToSchema)]
pub struct GraphqlError {
    /// Explanation of this occurrence
    message: String,
    /// Positions in the document
    #[schema(nullable = false)]
    locations: Option<Vec<ErrorLocation>>,
    /// Names and list indexes from the root of the response to the field
    #[schema(nullable = false)]
    path: Option<Vec<Value>>,
    /// The `code` of the error (`ErrorCode` in the GraphQL schema) and its details
    #[schema(nullable = false)]
    extensions: Option<BTreeMap<String, Value>>,
}

/// A position in a GraphQL document.
#[derive(ToSchema)]
pub struct ErrorLocation {
    /// Line, from 1
    line: u32,
    /// Column, from 1
    column: u32,
}

/// Errors of `GET`, except those with own headers.
pub struct GetErrors;

/// Errors of `POST`.
pub struct PostErrors;

type Responses = BTreeMap<String, RefOr<Response>>;

const GRAPHQL: [&str; 2] = ["application/graphql-response+json", "application/json"];
const PROBLEM: &str = "application/problem+json";

impl IntoResponses for GetErrors {
    fn responses() -> Responses {
        let [response, json] = GRAPHQL;
        Responses::from([
            error(400, "Invalid request or document", &GRAPHQL),
            error(500, "Internal error; details are in the server log", &[PROBLEM]),
            error(503, "The server or the database is overloaded; retry later", &[response, json, PROBLEM]),
        ])
    }
}

impl IntoResponses for PostErrors {
    fn responses() -> Responses {
        let mut responses = GetErrors::responses();
        responses.extend([
            error(500, "Internal error; details are in the server log", &[GRAPHQL[0], PROBLEM]),
            error(408, "The body did not arrive in time", &GRAPHQL),
            error(409, "A request with this idempotency key is in progress", &GRAPHQL),
            error(413, "The body is too large", &GRAPHQL),
            error(415, "The body must be `application/json`", &GRAPHQL),
            error(422, "The idempotency key is invalid or was used for a different request", &GRAPHQL),
        ]);
        responses
    }
}

fn error(status: u16, description: &str, media_types: &[&str]) -> (String, RefOr<Response>) {
    let content = |kind| {
        let schema = if kind == PROBLEM { "Problem" } else { "GraphqlResponse" };
        Content::new(Some(Ref::from_schema_name(schema)))
    };
    let response = ResponseBuilder::new().description(description);
    let response =
        media_types.iter().fold(response, |response, kind| response.content(*kind, content(*kind)));
    (status.to_string(), response.build().into())
}
