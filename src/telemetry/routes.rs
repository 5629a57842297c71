//! What requests are counted as: methods and routes, of which there are so many and no more, whatever clients send.

use std::{borrow::Cow, sync::Arc};

use axum::http::Method;

use super::names;

/// A method, a route and its usual statuses.
pub type Route = (&'static str, &'static str, &'static [u16]);

/// The methods that are told apart; the last stands for all others.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", names::OTHER_METHOD];

/// The routes of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Routes(Arc<Known>);

#[derive(Debug)]
struct Known {
    routes: Vec<Route>,
    /// Those of `routes`; the last stands for all that is no route.
    endpoints: Vec<&'static str>,
}

/// One of the methods with one of the routes, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteIndex(usize);

impl Routes {
    /// These, and one for everything else.
    pub fn new(routes: Vec<Route>) -> Self {
        let mut endpoints: Vec<_> = routes.iter().map(|(_, endpoint, _)| *endpoint).collect();
        endpoints.dedup();
        endpoints.push(names::UNMATCHED);
        Self(Arc::new(Known { routes, endpoints }))
    }

    /// Those with usual statuses.
    pub(super) fn usual(&self) -> &[Route] {
        &self.0.routes
    }

    /// All methods with all routes, usual or not, by [`RouteIndex::index`].
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.endpoints.iter().flat_map(|endpoint| METHODS.map(|method| (method, *endpoint)))
    }

    /// What a request is counted as.
    pub(super) fn place(&self, sent: &Method, endpoint: Option<&str>) -> RouteIndex {
        let endpoints = &self.0.endpoints;
        let endpoint =
            endpoints.iter().position(|known| endpoint == Some(known)).unwrap_or(endpoints.len() - 1);
        RouteIndex(endpoint * METHODS.len() + method(sent))
    }

    /// The labels: a method and an endpoint.
    pub(super) fn labels(&self, place: RouteIndex) -> (&'static str, &'static str) {
        (METHODS[place.0 % METHODS.len()], self.0.endpoints[place.0 / METHODS.len()])
    }
}

impl RouteIndex {
    /// Where it is among [`Routes::all`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// The method as it is labelled.
pub(super) fn method_label(sent: &Method) -> &'static str {
    METHODS[method(sent)]
}

/// The method as it was sent.
pub(super) fn sent_method(sent: &Method) -> Cow<'static, str> {
    match method_label(sent) {
        names::OTHER_METHOD => Cow::Owned(sent.as_str().to_owned()),
        known => Cow::Borrowed(known),
    }
}

/// Where a method is among [`METHODS`].
fn method(method: &Method) -> usize {
    METHODS.iter().position(|known| method.as_str() == *known).unwrap_or(METHODS.len() - 1)
}
