//! Tokens in the OpenAPI document: the security scheme, and the responses without access.

use utoipa::openapi::{
    Content, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    path::Operation,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::app::routes::{Permission, ROUTES};

const SCHEME: &str = "token";
/// Statuses, names and descriptions of the responses without access.
pub(super) const RESPONSES: [(&str, &str, &str); 3] = [
    ("401", "Unauthorized", "A valid token is required"),
    ("403", "Forbidden", "The token lacks the scope that the operation needs"),
    (
        "429",
        "RateLimited",
        "Too many requests, or too many failed authentications; retry after the seconds in `Retry-After`",
    ),
];
/// Media types of GraphQL's errors.
const GRAPHQL: [&str; 2] = ["application/graphql-response+json", "application/json"];

/// Adds the security scheme to the document, and the responses without access to the operations that need a scope. Public
/// operations need no token.
pub(super) fn add(document: &mut OpenApi) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "API token (`stockmeter token create`), or a JSON Web Token if the server accepts them",
        ))
        .build();
    // The empty requirement stands for servers that allow operations without a token.
    let token = SecurityRequirement::new(SCHEME, Vec::<String>::new());
    document.security = Some(vec![token, SecurityRequirement::default()]);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    for (_, name, description) in RESPONSES {
        components.responses.insert(name.to_owned(), problem(description).into());
    }
    for route in ROUTES {
        let Some(path) = document.paths.paths.get_mut(route.template) else {
            continue;
        };
        let operation = match route.method {
            "GET" => &mut path.get,
            "POST" => &mut path.post,
            "PUT" => &mut path.put,
            "PATCH" => &mut path.patch,
            _ => &mut path.delete,
        };
        let Some(operation) = operation else {
            continue;
        };
        if route.permission == Permission::Public {
            operation.security = Some(Vec::new());
        } else {
            add_responses(operation, route.template == "/graphql");
        }
    }
}

/// Adds the responses without access to an operation.
fn add_responses(operation: &mut Operation, is_graphql: bool) {
    for (status, name, description) in RESPONSES {
        let response = if is_graphql {
            RefOr::T(GRAPHQL.into_iter().fold(problem(description), with_media_type))
        } else {
            RefOr::Ref(Ref::from_response_name(name))
        };
        operation.responses.responses.insert(status.to_owned(), response);
    }
}

/// Returns the response with another media type.
fn with_media_type(mut response: Response, media_type: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("GraphqlResponse")));
    response.content.insert(media_type.to_owned(), RefOr::T(content));
    response
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
