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

use super::layers::Shortcut;
use crate::{
    catalog::{ProductId, existing_id},
    graphql::{self, GraphqlState},
    rest::{self, RestState},
};

/// All routes within their layers. Cheap to clone.
#[derive(Clone)]
pub struct App {
    router: Router,
    shortcuts: Option<Arc<Shortcuts>>,
}

/// The handlers that are found without the router.
pub struct Shortcuts {
    /// Of REST.
    pub rest: RestState,
    /// Of GraphQL.
    pub graphql: GraphqlState,
    /// To single products.
    pub to_product: Shortcut,
    /// To many.
    pub to_products: Shortcut,
    /// To operations.
    pub to_graphql: Shortcut,
}

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
            Some((shortcuts, known)) => {
                let shortcuts = shortcuts.clone();
                // Begun when it is polled, as by the router: until then it may be given up, or wait behind others.
                lazy(move |_| shortcuts.answer(known, request)).flatten().left_future()
            }
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
    fn answer(&self, known: Known, request: Request) -> BoxFuture<'static, Result<Response, Infallible>> {
        match known {
            Known::Product(id) => {
                let catalog = self.rest.catalog.clone();
                self.to_product.answer(request, move |request| rest::product(catalog, id, request.headers()))
            }
            Known::List => {
                let state = self.rest.clone();
                self.to_products.answer(request, |request| rest::list.call(request, state))
            }
            Known::Create => {
                let state = self.rest.clone();
                self.to_products.answer(request, |request| rest::create.call(request, state))
            }
            Known::Operation => {
                let state = State(self.graphql.clone());
                self.to_graphql.answer(request, |request| graphql::post(state, request))
            }
        }
    }
}
