//! All that the server answers, written down: the OpenAPI document, made of the routes, and a page to read it on.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::header,
    response::{IntoResponse, Response as HttpResponse},
};
use utoipa::{
    OpenApi as _,
    openapi::{
        Header, OpenApi, Ref, RefOr, Response, Schema,
        path::{Operation, Parameter},
        schema::{SchemaType, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    graphql,
    operations::{health, index, metrics, slow_requests},
    rest,
    telemetry::routes::Route,
};

/// The routes with their method and usual statuses.
pub const ROUTES: &[Route] = &[
    ("GET", "/openapi.json", &[200]),
    ("GET", "/docs", &[303]),
    ("GET", "/docs/", &[200]),
    ("GET", "/docs/{*rest}", &[200, 404]),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Stockmeter", description = "A product inventory: REST and GraphQL over one catalog, and metrics."),
    tags(
        (name = "products", description = "The products of the inventory"),
        (name = "graphql", description = "The same catalog in GraphQL; the schema is in `schema.graphql`"),
        (name = "operation", description = "Health and metrics"),
    )
)]
struct Document;

/// In every answer, whichever it is.
const HEADERS: [(&str, &str); 3] = [
    ("X-Request-Id", "The request's own id, or one made for it; it is in the log and in problems too"),
    ("Server-Timing", "`total;dur=` and how many milliseconds passed until the answer began"),
    ("Cache-Control", "`no-cache`: ask again before using it again"),
];
const RETRY_AFTER: (&str, &str) = ("Retry-After", "So many seconds later it may work");

/// The document of all rooms.
pub fn document() -> OpenApi {
    let mut document = Document::openapi();
    for room in [
        rest::api().into_openapi(),
        graphql::api().into_openapi(),
        index::api().into_openapi(),
        health::api().into_openapi(),
        metrics::api().into_openapi(),
        slow_requests::api().into_openapi(),
        api().into_openapi(),
    ] {
        document.merge(room);
    }
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let headers = HEADERS.into_iter().chain([RETRY_AFTER]).map(|(name, description)| {
        let mut header = Header::default();
        header.description = Some(description.to_owned());
        (name.to_owned(), RefOr::T(header))
    });
    document.components.get_or_insert_default().headers.extend(headers);
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
        operations.into_iter().flatten().for_each(complete);
    }
    document
}

/// Adds what holds for all operations.
fn complete(operation: &mut Operation) {
    operation.parameters.iter_mut().flatten().for_each(may_be_left_out);
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            for (name, _) in HEADERS {
                add_header(response, name);
            }
            if status == "503" {
                add_header(response, RETRY_AFTER.0);
            }
        }
    }
}

fn add_header(response: &mut Response, name: &str) {
    let header = RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
    response.headers.insert(name.to_owned(), header);
}

/// A parameter that need not be there is not one that can be null.
fn may_be_left_out(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(parameter) = parameter
        && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        && let SchemaType::Array(types) = &schema.schema_type
        && let Some(kind) = types.iter().find(|kind| **kind != Type::Null)
    {
        schema.schema_type = SchemaType::Type(kind.clone());
    }
}

fn api() -> OpenApiRouter<Bytes> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// The routes `/openapi.json` and `/docs`.
pub fn router() -> Router {
    let document = serde_json::to_vec(&document()).unwrap_or_default();
    // The page brings its scripts with it: it works without internet.
    let page = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]));
    Router::from(api().with_state(document.into())).merge(Router::from(page))
}

#[utoipa::path(get, path = "/openapi.json", tag = "operation", operation_id = "getOpenapi", summary = "Read this document",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
async fn openapi(State(document): State<Bytes>) -> HttpResponse {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
