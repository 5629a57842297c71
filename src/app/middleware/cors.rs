//! Cross-origin resource sharing (CORS): allows web pages of other origins to use the server.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    response::Response,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::{request_id::REQUEST_ID, response_headers::SERVER_TIMING};
use crate::{
    http::{
        idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED},
        limits::request_rate::{RATE_LIMIT, RATE_LIMIT_POLICY},
        read_after::READ_AFTER,
    },
    rest::prefer::{PREFER, PREFERENCE_APPLIED},
};

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Time for which a browser may reuse the response to a preflight request. Chromium limits it to two hours.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Headers that common clients send: GraphQL and tracing libraries, and substitutes for `EventSource`.
const CLIENT_HEADERS: [HeaderName; 16] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::PRAGMA,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("sentry-trace"),
    HeaderName::from_static("apollographql-client-name"),
    HeaderName::from_static("apollographql-client-version"),
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("x-apollo-operation-name"),
    HeaderName::from_static("graphql-require-preflight"),
];

/// Origins and request headers that are allowed.
#[derive(Clone, Copy, Default)]
pub struct CorsOptions<'a> {
    /// Origins whose pages may use the server; `*` is any origin. An empty list disables CORS.
    pub origins: &'a [HeaderValue],
    /// Request headers that are allowed in addition to the usual ones.
    pub headers: &'a [HeaderName],
}

/// The allowed origins, and the layer that tells browsers about them. Cheap to clone.
#[derive(Clone)]
pub struct Cors {
    pub origins: AllowedOrigins,
    layer: CorsLayer,
}

/// Origins whose pages may use the server.
#[derive(Clone)]
pub enum AllowedOrigins {
    Any,
    Listed(Arc<[HeaderValue]>),
}

impl AllowedOrigins {
    /// Returns whether pages of this origin may use the server.
    pub fn contains(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }
}

impl Cors {
    /// Returns `None` if no origin is allowed.
    pub fn new(CorsOptions { origins, headers }: CorsOptions) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let origins = if origins.iter().any(|origin| origin == "*") {
            AllowedOrigins::Any
        } else {
            AllowedOrigins::Listed(origins.into())
        };
        Some(Self { layer: layer(origins.clone(), headers), origins })
    }
}

/// Returns a layer that allows pages of other origins to use the server.
fn layer(origins: AllowedOrigins, headers: &[HeaderName]) -> CorsLayer {
    let own_headers = [
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        IDEMPOTENCY_KEY,
        PREFER,
        READ_AFTER,
        REQUEST_ID,
    ];
    let allowed_headers = own_headers.into_iter().chain(CLIENT_HEADERS).chain(headers.iter().cloned());
    let origins = match origins {
        AllowedOrigins::Any => AllowOrigin::any(),
        listed @ AllowedOrigins::Listed(_) => {
            AllowOrigin::predicate(move |origin, _| listed.contains(origin))
        }
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::list(allowed_headers))
        .max_age(MAX_AGE)
        .expose_headers([
            header::ALLOW,
            header::CONTENT_DISPOSITION,
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            PREFERENCE_APPLIED,
            IDEMPOTENT_REPLAYED,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            READ_AFTER,
            REQUEST_ID,
            SERVER_TIMING,
            TOTAL_COUNT,
        ])
}

/// Returns whether a request has an `Origin` header. Browsers send the header with cross-origin requests and
/// some others.
pub fn has_origin(request: &Request) -> bool {
    request.headers().contains_key(header::ORIGIN)
}

/// Adds the layer's `Vary` header to the response of a request without an origin. A cache must not reuse this
/// response for a request with an origin.
pub fn vary_by_origin(mut response: Response) -> Response {
    const NAMES: HeaderValue =
        HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");
    response.headers_mut().append(header::VARY, NAMES);
    response
}

/// Returns the response to a preflight request. For any other request, runs `next` and adds the CORS headers
/// to its response.
pub async fn handle<F>(cors: Cors, request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    // The layer calls its service at most once.
    let mut next = Some(next);
    let service = service_fn(|request| {
        let response = next.take().map(|next| next(request));
        async {
            Ok::<_, Infallible>(match response {
                Some(response) => response.await,
                None => Response::default(),
            })
        }
    });
    let Ok(response) = cors.layer.layer(service).oneshot(request).await;
    response
}
