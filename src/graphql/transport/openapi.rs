//! OpenAPI schema of GraphQL request bodies, and the errors of GraphQL over HTTP.

#![expect(dead_code, reason = "only its schema is used")]

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{Content, RefOr, Response, ResponseBuilder},
};

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
    let any = || Content::new(Some(serde_json::Value::schema()));
    let response = ResponseBuilder::new().description(description);
    let response = media_types.iter().fold(response, |response, kind| response.content(*kind, any()));
    (status.to_string(), response.build().into())
}
