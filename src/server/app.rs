//! The way of every request. What clients ask for most gets to its handler past axum's router, within the same layers: the router
//! takes longer to find the handler than the handler to find a product.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    handler::Handler,
    http::Method,
    response::Response,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, lazy},
};
use tower::Service;

use super::{around::Around, innermost::Innermost, outermost::Outermost};
use crate::{
    catalog::{ProductId, existing_id},
    graphql::{self, GraphqlState},
    rest::{self, RestState},
    telemetry::HttpMetrics,
};

/// All routes within their layers. Cheap to clone.
#[derive(Clone)]
pub struct App {
    router: Router,
    shortcuts: Option<Arc<Shortcuts>>,
}

/// The handlers that are found without the router, and the layers around them.
pub struct Shortcuts {
    rest: RestState,
    graphql: GraphqlState,
    around_product: Outermost,
    around_products: Outermost,
    around_graphql: Outermost,
    innermost: Innermost,
}

/// An answer on its way.
type Answer = BoxFuture<'static, Result<Response, Infallible>>;

impl App {
    /// The routes of this router, some of them by shortcuts.
    pub fn new(router: Router, shortcuts: Option<Shortcuts>) -> Self {
        Self { router, shortcuts: shortcuts.map(Arc::new) }
    }

    /// Answers a request.
    pub fn answer(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        match self.shortcuts.as_ref().zip(Known::of(request.method(), request.uri().path())) {
            Some((shortcuts, known)) => shortcuts.answer(known, request).left_future(),
            None => self.router.clone().call(request).right_future(),
        }
    }
}

/// What has a shortcut.
#[derive(Clone, Copy)]
enum Known {
    Product(ProductId),
    List,
    Create,
    Operation,
}

impl Known {
    fn of(method: &Method, path: &str) -> Option<Self> {
        match (method, path) {
            (&Method::GET, "/products") => Some(Self::List),
            (&Method::POST, "/products") => Some(Self::Create),
            (&Method::POST, "/graphql") => Some(Self::Operation),
            // Whatever else comes there is the router's.
            (&Method::GET, path) => existing_id(path.strip_prefix("/products/")?).ok().map(Self::Product),
            _ => None,
        }
    }
}

impl Shortcuts {
    /// To handlers with these states.
    pub fn new(rest: RestState, graphql: GraphqlState, metrics: &HttpMetrics, innermost: Innermost) -> Self {
        let around = |endpoint| Outermost { metrics: metrics.clone(), endpoint: Some(endpoint) };
        Self {
            rest,
            graphql,
            around_product: around("/products/{product_id}"),
            around_products: around("/products"),
            around_graphql: around("/graphql"),
            innermost,
        }
    }

    fn answer(&self, known: Known, request: Request) -> Answer {
        let Self { rest, graphql, around_product, around_products, around_graphql, .. } = self;
        match known {
            Known::Product(id) => {
                let catalog = rest.catalog.clone();
                self.within(around_product, request, move |request| {
                    rest::product(catalog, id, request.headers())
                })
            }
            Known::List => {
                let state = rest.clone();
                self.within(around_products, request, |request| rest::list.call(request, state))
            }
            Known::Create => {
                let state = rest.clone();
                self.within(around_products, request, |request| rest::create.call(request, state))
            }
            Known::Operation => {
                let state = State(graphql.clone());
                self.within(around_graphql, request, |request| graphql::post(state, request))
            }
        }
    }

    /// By a handler within the layers.
    fn within<H, F>(&self, outermost: &Outermost, request: Request, handler: H) -> Answer
    where
        H: FnOnce(Request) -> F + Send + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        // Called when it is polled: what happens before that is none of the layers' business.
        let handler = |request| lazy(move |_| handler(request)).flatten().map(Ok);
        let inner = |request| self.innermost.answer(request, handler);
        Box::pin(outermost.answer(request, inner))
    }
}
