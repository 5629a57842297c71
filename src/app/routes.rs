//! The list of routes, shared by dispatch, metrics, concurrency limits, access control, the index and the
//! document tests.

use std::{collections::HashMap, sync::Arc};

use axum::http::Method;

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
    pub scope: Scope,
    /// Permits that its requests take.
    pub concurrency: Concurrency,
    /// Listeners that serve it.
    pub listener: Listener,
    /// Runtime that runs its handler.
    pub runtime: Runtime,
    /// How its handler is found.
    pub handler: Handler,
    /// Name of the link to it in the index.
    pub link: Option<&'static str>,
    /// Whether the OpenAPI document describes it.
    pub is_documented: bool,
}

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Needs no permission.
    None,
    /// Reads products.
    Read,
    /// Changes products.
    Write,
    /// Deletes products by filter.
    Admin,
    /// Reads metrics; `STOCKMETER_METRICS_TOKEN` guards it.
    Metrics,
}

/// The concurrency limit of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// Needs no permit: health and metrics have to work on a busy server.
    Unlimited,
    /// Takes a permit for requests.
    Requests,
    /// Takes a permit for imports if the body is a file, otherwise one for requests.
    RequestsOrImports,
}

/// The listeners of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The one for clients.
    Main,
    /// The one for metrics if it is configured, otherwise the main one.
    Metrics,
    /// Every listener.
    All,
}

/// Where a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// On the thread of the request: it is short, or decides by the size of its body.
    Request,
    /// On the background runtime.
    Background,
}

/// How a handler is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// By axum's router.
    Router,
    /// Directly. The router would take 6,000 of the 31,000 instructions of a GET.
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
    /// A documented route of the main listener, served by axum's router, that needs a permit for requests.
    pub const fn new(
        method: &'static str,
        template: &'static str,
        scope: Scope,
        statuses: &'static [u16],
    ) -> Self {
        Self {
            method,
            template,
            statuses,
            scope,
            concurrency: Concurrency::Requests,
            listener: Listener::Main,
            runtime: Runtime::Request,
            handler: Handler::Router,
            link: None,
            is_documented: true,
        }
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

    pub const fn takes_files(self) -> Self {
        Self { concurrency: Concurrency::RequestsOrImports, ..self }
    }

    pub const fn on(self, listener: Listener) -> Self {
        Self { listener, ..self }
    }

    pub const fn linked(self, name: &'static str) -> Self {
        Self { link: Some(name), ..self }
    }

    pub const fn undocumented(self) -> Self {
        Self { is_documented: false, ..self }
    }
}

const ITEM: &str = "/products/{product_id}";

/// Every route of the server.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/", Scope::None, &[200]).unlimited(),
    Route::new("GET", "/products", Scope::Read, &[200, 400, 422, 500, 503])
        .direct(Direct::List)
        .background()
        .linked("products"),
    Route::new("POST", "/products", Scope::Write, &[200, 201, 400, 408, 409, 413, 415, 422, 428, 500, 503])
        .direct(Direct::Create)
        .takes_files(),
    Route::new("PUT", "/products", Scope::Write, &[200, 400, 404, 408, 409, 413, 415, 422, 428, 500, 503]),
    Route::new("DELETE", "/products", Scope::Admin, &[200, 400, 422, 428, 500, 503]),
    Route::new("GET", "/products/changes", Scope::Read, &[200, 400, 422, 500, 503]),
    Route::new("GET", ITEM, Scope::Read, &[200, 304, 400, 404, 412, 422, 500, 503]).direct(Direct::Product),
    Route::new("PUT", ITEM, Scope::Write, &[200, 201, 400, 404, 408, 412, 413, 415, 422, 428, 500, 503]),
    Route::new("PATCH", ITEM, Scope::Write, &[200, 400, 404, 408, 412, 413, 415, 422, 428, 500, 503]),
    Route::new("DELETE", ITEM, Scope::Write, &[204, 400, 404, 412, 422, 428, 500, 503]),
    Route::new(
        "POST",
        "/products/{product_id}/stock",
        Scope::Write,
        &[200, 400, 404, 408, 409, 412, 413, 415, 422, 428, 500, 503],
    ),
    // The operation decides between reading and writing.
    Route::new("GET", "/graphql", Scope::Read, &[101, 200, 400, 405, 500, 503]).linked("graphql"),
    Route::new("POST", "/graphql", Scope::Read, &[200, 400, 408, 413, 415, 500, 503]).direct(Direct::Graphql),
    Route::new("GET", "/graphql/playground/{build}/{file}", Scope::None, &[200, 404]).undocumented(),
    Route::new("GET", "/health", Scope::None, &[200, 503]).unlimited().on(Listener::All).linked("health"),
    Route::new("GET", "/health/live", Scope::None, &[200]).unlimited().on(Listener::All).linked("live"),
    Route::new("GET", "/health/ready", Scope::None, &[200, 503])
        .unlimited()
        .on(Listener::All)
        .linked("ready"),
    Route::new("GET", "/metrics", Scope::Metrics, &[200, 401])
        .unlimited()
        .on(Listener::Metrics)
        .background()
        .linked("metrics"),
    Route::new("GET", "/metrics/slow", Scope::Metrics, &[200, 401]).unlimited().on(Listener::Metrics),
    Route::new("GET", "/openapi.json", Scope::None, &[200]).unlimited().linked("openapi"),
    Route::new("GET", "/docs", Scope::None, &[303]).unlimited().undocumented().linked("docs"),
    Route::new("GET", "/docs/", Scope::None, &[200]).unlimited().undocumented(),
    Route::new("GET", "/docs/{*rest}", Scope::None, &[200, 404]).unlimited().undocumented(),
];

/// Recognizes the routes that one listener serves. Cheap to clone.
#[derive(Clone)]
pub struct RouteTable(Arc<matchit::Router<Endpoint>>);

/// The routes of one path.
struct Endpoint {
    template: &'static str,
    routes: Vec<(Method, &'static Route)>,
}

/// What is known of a request before its handler runs.
#[derive(Clone, Copy, Debug)]
pub struct Recognized {
    /// Template of its path; `None` if no route has the path.
    pub template: Option<&'static str>,
    /// Its route; `None` if the path has no route for its method.
    pub route: Option<&'static Route>,
}

impl RouteTable {
    /// Indexes routes by path.
    ///
    /// # Errors
    /// Two templates match the same paths, or one of them has no valid syntax.
    pub fn new(routes: impl IntoIterator<Item = &'static Route>) -> Result<Self, matchit::InsertError> {
        let mut by_template: HashMap<&'static str, Vec<(Method, &Route)>> = HashMap::new();
        for route in routes {
            if let Ok(method) = Method::from_bytes(route.method.as_bytes()) {
                by_template.entry(route.template).or_default().push((method, route));
            }
        }
        let mut paths = matchit::Router::new();
        for (template, routes) in by_template {
            paths.insert(template, Endpoint { template, routes })?;
        }
        Ok(Self(Arc::new(paths)))
    }

    /// Finds the route of a request.
    pub fn recognize(&self, method: &Method, path: &str) -> Recognized {
        let Ok(found) = self.0.at(path) else {
            return Recognized { template: None, route: None };
        };
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let route = found.value.routes.iter().find(|(known, _)| known == method).map(|(_, route)| *route);
        Recognized { template: Some(found.value.template), route }
    }
}
