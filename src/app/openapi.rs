//! The OpenAPI document, generated from the handlers, and the page that shows it.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderValue, header},
    middleware::map_response,
    response::{IntoResponse, Response as HttpResponse},
};
use utoipa::{
    OpenApi as _,
    openapi::{
        Header, Object, OpenApi, Ref, RefOr, Response, Schema,
        path::{Operation, Parameter},
        schema::{SchemaType, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    graphql,
    http::page,
    operations::{health, index, metrics, slow_requests},
    rest,
};

mod security;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Stockmeter", description = "Product inventory with REST, GraphQL and Prometheus metrics."),
    servers((url = "/", description = "This server")),
    tags(
        (name = "products", description = "Products of the inventory"),
        (name = "graphql", description = "The same products over GraphQL; the schema is in `schema.graphql`"),
        (name = "operation", description = "Health and metrics"),
    )
)]
struct Document;

/// Names and descriptions of the headers that every response has for its client.
const HEADERS: [(&str, &str); 3] = [
    ("X-Request-Id", "Id of the request, as sent or generated; also in problems and log lines"),
    ("Server-Timing", "`total;dur=` and the milliseconds until the response headers"),
    ("Cache-Control", "`no-cache`: revalidate before reuse"),
];
/// Statuses with the names and descriptions of headers that only their responses have.
const STATUS_HEADERS: [(&str, &str, &str); 8] = [
    ("401", "WWW-Authenticate", "How to authenticate (RFC 6750)"),
    ("403", "WWW-Authenticate", "How to authenticate (RFC 6750)"),
    ("429", "Retry-After", "Seconds to wait before retrying"),
    ("429", "RateLimit", "Requests left (`r`) and seconds until there is one more (`t`)"),
    ("429", "RateLimit-Policy", "Requests allowed at once (`q`) and seconds for as many again (`w`)"),
    ("503", "Retry-After", "Seconds to wait before retrying"),
    ("415", "Accept", "Media types that the request may have, if it has another one"),
    ("415", "Accept-Encoding", "`identity`, if the body is compressed"),
];

/// Policy of the page at `/docs/`, which may load its own files, images in its style sheet, and the style of its logo, which has this
/// hash. It may call the server.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
    img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Name and description of the header of a replayed response. The operations that honour [`KEY`] have it.
const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "`true` if an earlier request produced this response");
/// Name and description of the header with the position after a write. The operations that honour [`KEY`] have it, because
/// they write.
const READ_AFTER: (&str, &str) =
    ("X-Read-After", "Position to send with later reads, if the server has a replica (`DATABASE_READ_URL`)");
/// Name of the parameter with the idempotency key.
const KEY: &str = "Idempotency-Key";

/// Returns the OpenAPI document of all routes.
pub fn document() -> OpenApi {
    let mut document = Document::openapi();
    for part in [
        rest::api().into_openapi(),
        graphql::api().into_openapi(),
        index::api().into_openapi(),
        health::api().into_openapi(),
        metrics::api().into_openapi(),
        slow_requests::api().into_openapi(),
        api().into_openapi(),
    ] {
        document.merge(part);
    }
    security::add(&mut document);
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let status_headers = STATUS_HEADERS.into_iter().map(|(_, name, description)| (name, description));
    let text =
        HEADERS.into_iter().chain(status_headers).chain([READ_AFTER]).map(|header| (header, Type::String));
    let headers = text.chain([(REPLAYED, Type::Boolean)]).map(|((name, description), kind)| {
        let mut header = Header::new(Object::with_type(kind));
        header.description = Some(description.to_owned());
        (name.to_owned(), RefOr::T(header))
    });
    let components = document.components.get_or_insert_default();
    components.headers.extend(headers);
    for (status, name, _) in security::RESPONSES {
        if let Some(RefOr::T(response)) = components.responses.get_mut(name) {
            add_headers(response, status);
        }
    }
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
        operations.into_iter().flatten().for_each(add_common_responses);
    }
    document
}

/// Adds the common headers to the responses of an operation. Removes `null` from the types of its parameters, and the full
/// stop of its summary, which comes from a comment.
fn add_common_responses(operation: &mut Operation) {
    operation.summary = operation.summary.take().map(|summary| summary.trim_end_matches('.').to_owned());
    operation.parameters.iter_mut().flatten().for_each(drop_null_type);
    let has_key =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == KEY);
    let writes = operation.parameters.iter().flatten().any(has_key);
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            add_headers(response, status);
            if writes && status.starts_with('2') {
                add_header(response, REPLAYED.0);
                add_header(response, READ_AFTER.0);
            }
        }
    }
}

/// Adds the common headers, and those of the status, to a response.
fn add_headers(response: &mut Response, status: &str) {
    let of_status = STATUS_HEADERS.into_iter().filter(|(only, ..)| *only == status).map(|(_, name, _)| name);
    for name in HEADERS.into_iter().map(|(name, _)| name).chain(of_status) {
        add_header(response, name);
    }
}

fn add_header(response: &mut Response, name: &str) {
    let header = RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
    response.headers.insert(name.to_owned(), header);
}

/// Removes `null` from the types of an optional parameter. utoipa adds `null`, but a parameter is either
/// omitted or has a value.
fn drop_null_type(parameter: &mut RefOr<Parameter>) {
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

/// Returns the route of the document.
pub fn router() -> Router {
    let document = serde_json::to_vec(&document()).unwrap_or_default();
    Router::from(api().with_state(document.into()))
}

/// Returns the routes of the page that shows the document. Its scripts are embedded, so it works without internet access.
pub fn reference() -> Router {
    let page = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]));
    Router::from(page).layer(map_response(protect_page))
}

async fn protect_page(response: HttpResponse) -> HttpResponse {
    page::protect(response, PAGE_POLICY)
}

/// Returns this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    operation_id = "getOpenapi",
    responses((status = 200, description = "OpenAPI 3.1 document", body = BTreeMap<String, serde_json::Value>))
)]
async fn openapi(State(document): State<Bytes>) -> HttpResponse {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
