//! The list of routes, shared by dispatch, metrics, concurrency limits, the index and the document tests.

use std::{collections::HashMap, sync::Arc};

use axum::http::Method;

use crate::domain::Scope;

/// One method of one path, with the properties that apply before its handler runs.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Method in upper case. `HEAD` is served by the route of `GET`.
    pub method: &'static str,
    /// Path in the syntax of matchit and axum; also the metric label `endpoint`.
    pub template: &'static str,
    /// Statuses in the OpenAPI document. Their counters are exported as 0 from startup, so that `rate()`
    /// counts the first request.
    pub statuses: &'static [u16],
    /// Permission that the route needs.
    pub permission: Permission,
    /// Permits that its requests take.
    pub concurrency: Concurrency,
    /// Listeners that serve the route.
    pub listener: Listener,
    /// Runtime that runs its handler.
    pub runtime: Runtime,
    /// Way in which its handler is called.
    pub handler: Handler,
    /// Name of its link in the index, or `None` if the index has no link to it.
    pub link: Option<&'static str>,
    /// Whether it serves pages for people or their files. They can be switched off, and the OpenAPI document does
    /// not describe them.
    pub is_console: bool,
}

/// Permission that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// No permission: the caller is not authenticated.
    Public,
    /// A scope. A request that imports a file and replaces products needs [`Scope::Admin`] instead.
    Scope(Scope),
    /// The scope of the operation in the request, which the handler checks. The caller is authenticated.
    PerOperation,
}

/// The concurrency limit of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// No permit, because health checks and metrics must work on a busy server.
    Unlimited,
    /// One permit for requests, taken before the handler runs.
    Requests,
    /// One permit for requests, taken when the body has arrived. A slow body must hold no permit.
    AfterBody,
    /// The same. If the body is a file, one permit for imports instead.
    AfterBodyOrFile,
}

/// Listeners that serve a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The main listener.
    Main,
    /// The metrics listener if it is configured, otherwise the main listener.
    Metrics,
    /// Every listener.
    All,
}

/// Tokio runtime on which a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Runtime of the request, for short handlers and for handlers that move only large bodies to the
    /// background runtime.
    Request,
    /// Background runtime.
    Background,
}

/// Way in which a handler is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Call through axum's router.
    Router,
    /// Direct call. The router would take 6,000 of the 31,000 instructions of a `GET` request.
    Direct(Direct),
}

/// A handler that is called without axum's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// `GET /products/{product_id}`
    Product,
    /// `GET /products`
    List,
    /// `POST /products`
    Create,
    /// `POST /graphql`
    Graphql,
}

impl Route {
    /// Returns a documented route of the main listener. Its requests take one permit each and are handled
    /// through axum's router.
    pub const fn new(
        method: &'static str,
        template: &'static str,
        permission: Permission,
        statuses: &'static [u16],
    ) -> Self {
        Self {
            method,
            template,
            statuses,
            permission,
            concurrency: Concurrency::Requests,
            listener: Listener::Main,
            runtime: Runtime::Request,
            handler: Handler::Router,
            link: None,
            is_console: false,
        }
    }

    /// Returns whether clients decide how large its responses are.
    pub fn has_large_responses(&self) -> bool {
        self.concurrency != Concurrency::Unlimited && self.permission != Permission::Public
    }

    pub const fn direct(self, direct: Direct) -> Self {
        Self { handler: Handler::Direct(direct), ..self }
    }

    pub const fn background(self) -> Self {
        Self { runtime: Runtime::Background, ..self }
    }

    pub const fn unlimited(self) -> Self {
        Self { concurrency: Concurrency::Unlimited, ..self }
    }

    pub const fn reads_body(self) -> Self {
        Self { concurrency: Concurrency::AfterBody, ..self }
    }

    pub const fn reads_files(self) -> Self {
        Self { concurrency: Concurrency::AfterBodyOrFile, ..self }
    }

    pub const fn on(self, listener: Listener) -> Self {
        Self { listener, ..self }
    }

    pub const fn linked(self, name: &'static str) -> Self {
        Self { link: Some(name), ..self }
    }

    pub const fn console(self) -> Self {
        Self { is_console: true, ..self }
    }
}

const READ: Permission = Permission::Scope(Scope::Read);
const WRITE: Permission = Permission::Scope(Scope::Write);
const ADMIN: Permission = Permission::Scope(Scope::Admin);
const METRICS: Permission = Permission::Scope(Scope::Metrics);

/// Path of the event stream of changes.
pub const CHANGES: &str = "/products/changes";
const ITEM: &str = "/products/{product_id}";

/// All routes of the server.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/", Permission::Public, &[200]).unlimited(),
    Route::new("GET", "/console/{build}/{file}", Permission::Public, &[200, 404]).unlimited().console(),
    Route::new("GET", "/products", READ, &[200, 400, 401, 403, 422, 429, 500, 503])
        .direct(Direct::List)
        .linked("products"),
    Route::new(
        "POST",
        "/products",
        WRITE,
        &[200, 201, 400, 401, 403, 408, 409, 413, 415, 422, 428, 429, 500, 503],
    )
    .direct(Direct::Create)
    .reads_files(),
    Route::new(
        "PUT",
        "/products",
        WRITE,
        &[200, 400, 401, 403, 404, 408, 409, 413, 415, 422, 428, 429, 500, 503],
    )
    .reads_body(),
    Route::new("DELETE", "/products", ADMIN, &[200, 400, 401, 403, 409, 422, 428, 429, 500, 503]),
    Route::new("GET", CHANGES, READ, &[200, 400, 401, 403, 422, 429, 500, 503]),
    Route::new("GET", ITEM, READ, &[200, 304, 400, 401, 403, 404, 412, 422, 429, 500, 503])
        .direct(Direct::Product),
    Route::new(
        "PUT",
        ITEM,
        WRITE,
        &[200, 201, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503],
    )
    .reads_body(),
    Route::new(
        "PATCH",
        ITEM,
        WRITE,
        &[200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503],
    )
    .reads_body(),
    Route::new("DELETE", ITEM, WRITE, &[204, 400, 401, 403, 404, 409, 412, 422, 428, 429, 500, 503]),
    Route::new(
        "POST",
        "/products/{product_id}/stock",
        WRITE,
        &[200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503],
    )
    .reads_body(),
    // Browsers open the playground without a token, and WebSockets send the token later.
    Route::new("GET", "/graphql", Permission::PerOperation, &[101, 200, 400, 401, 403, 405, 429, 500, 503])
        .linked("graphql"),
    // Mutations need more than this scope, which the handler checks.
    Route::new("POST", "/graphql", READ, &[200, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503])
        .direct(Direct::Graphql)
        .reads_body(),
    Route::new("GET", "/graphql/playground/{build}/{file}", Permission::Public, &[200, 404]).console(),
    Route::new("GET", "/health", Permission::Public, &[200, 503])
        .unlimited()
        .on(Listener::All)
        .linked("health"),
    Route::new("GET", "/health/live", Permission::Public, &[200])
        .unlimited()
        .on(Listener::All)
        .linked("live"),
    Route::new("GET", "/health/ready", Permission::Public, &[200, 503])
        .unlimited()
        .on(Listener::All)
        .linked("ready"),
    Route::new("GET", "/metrics", METRICS, &[200, 401, 403, 429])
        .unlimited()
        .on(Listener::Metrics)
        .background()
        .linked("metrics"),
    Route::new("GET", "/metrics/slow", METRICS, &[200, 401, 403, 429]).unlimited().on(Listener::Metrics),
    Route::new("GET", "/openapi.json", Permission::Public, &[200]).unlimited().linked("openapi"),
    Route::new("GET", "/docs", Permission::Public, &[303]).unlimited().console().linked("docs"),
    Route::new("GET", "/docs/", Permission::Public, &[200]).unlimited().console(),
    Route::new("GET", "/docs/{*rest}", Permission::Public, &[200, 404]).unlimited().console(),
];

/// Routes of one listener, indexed by path. Cheap to clone.
#[derive(Clone)]
pub struct RouteTable(Arc<matchit::Router<Endpoint>>);

/// Routes of one path, by method.
struct Endpoint {
    template: &'static str,
    allows_cors: bool,
    routes: Vec<(Method, &'static Route)>,
}

/// Route of a request, found before its handler runs.
#[derive(Clone, Copy, Debug)]
pub struct Recognized {
    /// Template of the request's path, or `None` if no route has the path.
    pub template: Option<&'static str>,
    /// Route of the request, or `None` if the path has no route for the method.
    pub route: Option<&'static Route>,
    /// Whether pages of other origins may use the path, if CORS is configured. They never read metrics.
    pub allows_cors: bool,
}

impl RouteTable {
    /// Indexes routes by path.
    ///
    /// # Errors
    /// Returns an error if two templates match the same paths, or if a template has invalid syntax.
    pub fn new(routes: impl IntoIterator<Item = &'static Route>) -> Result<Self, matchit::InsertError> {
        let mut by_template: HashMap<&'static str, Vec<(Method, &Route)>> = HashMap::new();
        for route in routes {
            if let Ok(method) = Method::from_bytes(route.method.as_bytes()) {
                by_template.entry(route.template).or_default().push((method, route));
            }
        }
        let mut paths = matchit::Router::new();
        for (template, routes) in by_template {
            let allows_cors = routes.iter().all(|(_, route)| route.permission != METRICS);
            paths.insert(template, Endpoint { template, allows_cors, routes })?;
        }
        Ok(Self(Arc::new(paths)))
    }

    /// Returns the path template and the route of a request. `HEAD` requests have the route of `GET`.
    pub fn recognize(&self, method: &Method, path: &str) -> Recognized {
        let Ok(found) = self.0.at(path) else {
            return Recognized { template: None, route: None, allows_cors: true };
        };
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let route = found.value.routes.iter().find(|(known, _)| known == method).map(|(_, route)| *route);
        let Endpoint { template, allows_cors, .. } = *found.value;
        Recognized { template: Some(template), route, allows_cors }
    }
}
