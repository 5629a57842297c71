//! GraphQL over the catalog: schema, inputs, errors with codes, playground. No rules.

use async_graphql::{
    Request, Response as GraphQLAnswer, ServerError, http::GraphiQLSource, parser::parse_query,
};
use async_graphql_axum::GraphQLResponse;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};

use crate::{body::JsonText, catalog::Catalog, problem::Problem};

mod decimal;
mod error;
mod limits;
mod mutation;
mod product;
mod query;
mod schema;
mod shape;

use schema::Schema;
pub use schema::sdl;
use shape::Shape;

/// The routes with their methods and usual statuses.
pub const ROUTES: &[(&str, &str, &[u16])] =
    &[("GET", "/graphql", &[200]), ("POST", "/graphql", &[200, 400, 413, 415, 500, 503])];

/// The route `/graphql`.
pub fn router(catalog: Catalog) -> Router {
    Router::new().route("/graphql", get(playground).post(execute)).with_state(schema::build(catalog))
}

const RESPONSE_JSON: &str = "application/graphql-response+json";

async fn execute(
    State(schema): State<Schema>,
    headers: HeaderMap,
    JsonText(body): JsonText,
) -> Result<Response, Problem> {
    let mut request: Request = serde_json::from_str(&body)
        .map_err(|error| Problem::malformed(format!("the body is no GraphQL request: {error}")))?;
    if request.query.is_empty() {
        return Err(Problem::malformed("a GraphQL request is an object with a `query`"));
    }
    if request.query.len() > limits::MAX_BYTES {
        let detail =
            format!("the query is larger than {} bytes: send values as variables", limits::MAX_BYTES);
        return Err(Problem::too_large(detail));
    }
    let response = match read(&mut request) {
        Ok(shape) => {
            let mut response = schema.execute(request).await;
            error::clean(&mut response);
            shape.sort(&mut response.data);
            response
        }
        Err(refusal) => GraphQLAnswer::from_errors(vec![refusal]),
    };
    let mut response = GraphQLResponse::from(response).into_response();
    // Clients from before the GraphQL-over-HTTP specification expect plain JSON.
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accept.contains(RESPONSE_JSON) {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(response)
}

/// Parses the document, if it is within the limits; returns the shape of its answer.
fn read(request: &mut Request) -> Result<Shape, ServerError> {
    if limits::is_too_deep(&request.query) {
        return Err(error::with_code("the document is nested too deep", "TOO_DEEP"));
    }
    let document = parse_query(&request.query).map_err(error::unreadable)?;
    if limits::is_too_costly(&document, &request.variables) {
        let message = "the document asks for too much at once: ask for smaller pages or fewer fields";
        return Err(error::with_code(message, "TOO_COSTLY"));
    }
    let shape = Shape::of(&document, request.operation_name.as_deref());
    request.set_parsed_query(document);
    Ok(shape)
}

async fn playground() -> Html<String> {
    Html(GraphiQLSource::build().endpoint("/graphql").title("Stockmeter GraphiQL").finish())
}
