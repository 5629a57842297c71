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

/// Adds the security scheme to the document, and the responses without access to the operations that need a scope.
pub(super) fn add(document: &mut OpenApi) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "API token (`stockmeter token create`), or a JSON Web Token if the server accepts them",
        ))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    for (_, name, description) in RESPONSES {
        components.responses.insert(name.to_owned(), problem(description).into());
    }
    for route in ROUTES.iter().filter(|route| route.permission != Permission::Public) {
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
        if let Some(operation) = operation {
            protect(operation, route.template == "/graphql");
        }
    }
}

fn protect(operation: &mut Operation, is_graphql: bool) {
    // The empty requirement stands for servers that allow the operation without a token.
    let token = SecurityRequirement::new(SCHEME, Vec::<String>::new());
    operation.security = Some(vec![token, SecurityRequirement::default()]);
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
    response.content.insert(media_type.to_owned(), RefOr::T(Content::default()));
    response
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
