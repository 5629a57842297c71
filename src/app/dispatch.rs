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

use super::middleware::DirectRoute;
use crate::{
    catalog::{ProductId, parse_product_id},
    graphql::{self, GraphqlState},
    rest::{self, RestState},
};

/// All routes within their layers. Cheap to clone.
#[derive(Clone)]
pub struct App {
    router: Router,
    shortcuts: Option<Arc<HotRoutes>>,
}

/// The handlers that are found without the router.
pub struct HotRoutes {
    /// Of REST.
    pub rest: RestState,
    /// Of GraphQL.
    pub graphql: GraphqlState,
    /// To single products.
    pub to_product: DirectRoute,
    /// To many.
    pub to_products: DirectRoute,
    /// To operations.
    pub to_graphql: DirectRoute,
}

impl App {
    /// The routes of this router, some of them by shortcuts.
    pub fn new(router: Router, shortcuts: Option<HotRoutes>) -> Self {
        Self { router, shortcuts: shortcuts.map(Arc::new) }
    }

    /// Answers a request.
    pub fn call(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        match self.shortcuts.as_ref().zip(HotRoute::of(request.method(), request.uri().path())) {
            Some((shortcuts, known)) => {
                let shortcuts = shortcuts.clone();
                // Begun when it is polled, as by the router: until then it may be given up, or wait behind others.
                lazy(move |_| shortcuts.call(known, request)).flatten().left_future()
            }
            None => self.router.clone().call(request).right_future(),
        }
    }
}

/// What has a shortcut.
#[derive(Clone, Copy)]
enum HotRoute {
    Product(ProductId),
    List,
    Create,
    Operation,
}

impl HotRoute {
    fn of(method: &Method, path: &str) -> Option<Self> {
        match (method, path) {
            (&Method::GET, "/products") => Some(Self::List),
            (&Method::POST, "/products") => Some(Self::Create),
            (&Method::POST, "/graphql") => Some(Self::Operation),
            // Whatever else comes there is the router's.
            (&Method::GET, path) => {
                parse_product_id(path.strip_prefix("/products/")?).ok().map(Self::Product)
            }
            _ => None,
        }
    }
}

impl HotRoutes {
    fn call(&self, known: HotRoute, request: Request) -> BoxFuture<'static, Result<Response, Infallible>> {
        match known {
            HotRoute::Product(id) => {
                let catalog = self.rest.catalog.clone();
                self.to_product.call(request, move |request| rest::get_by_id(catalog, id, request.headers()))
            }
            HotRoute::List => {
                let state = self.rest.clone();
                self.to_products.call(request, |request| rest::list.call(request, state))
            }
            HotRoute::Create => {
                let state = self.rest.clone();
                self.to_products.call(request, |request| rest::create.call(request, state))
            }
            HotRoute::Operation => {
                let state = State(self.graphql.clone());
                self.to_graphql.call(request, |request| graphql::post(state, request))
            }
        }
    }
}
