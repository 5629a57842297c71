//! Labels for methods and routes. The number of values is fixed, so clients cannot create further series.

use std::{borrow::Cow, sync::Arc};

use axum::http::Method;

use super::names;

/// Method, route template and expected statuses.
pub type Route = (&'static str, &'static str, &'static [u16]);

/// Values of the method label. The last one stands for all other methods.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", names::OTHER_METHOD];

/// Routes of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Routes(Arc<RouteTable>);

#[derive(Debug)]
struct RouteTable {
    expected: Vec<Route>,
    /// Templates of the routes, then [`names::UNMATCHED`].
    endpoints: Vec<&'static str>,
}

/// Index of a combination of method and endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteIndex(usize);

impl Routes {
    /// Creates the table. Routes with the same template must be next to each other.
    pub fn new(expected: Vec<Route>) -> Self {
        let mut endpoints: Vec<_> = expected.iter().map(|(_, endpoint, _)| *endpoint).collect();
        endpoints.dedup();
        endpoints.push(names::UNMATCHED);
        Self(Arc::new(RouteTable { expected, endpoints }))
    }

    /// Returns the server's routes with their expected statuses.
    pub(super) fn expected(&self) -> &[Route] {
        &self.0.expected
    }

    /// Returns all combinations of method and endpoint labels, in the order of [`RouteIndex::index`].
    pub(super) fn all_labels(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.endpoints.iter().flat_map(|endpoint| METHODS.map(|method| (method, *endpoint)))
    }

    /// Returns the index under which a request is counted. An unknown or missing endpoint counts as
    /// unmatched.
    pub(super) fn route_index(&self, method: &Method, endpoint: Option<&str>) -> RouteIndex {
        let endpoints = &self.0.endpoints;
        let endpoint =
            endpoints.iter().position(|known| endpoint == Some(known)).unwrap_or(endpoints.len() - 1);
        RouteIndex(endpoint * METHODS.len() + method_index(method))
    }

    /// Returns the method and endpoint labels.
    pub(super) fn labels(&self, route: RouteIndex) -> (&'static str, &'static str) {
        (METHODS[route.0 % METHODS.len()], self.0.endpoints[route.0 / METHODS.len()])
    }
}

impl RouteIndex {
    /// Returns the index in [`Routes::all_labels`].
    pub fn index(self) -> usize {
        self.0
    }
}

pub(super) fn method_label(method: &Method) -> &'static str {
    METHODS[method_index(method)]
}

/// Returns the method as sent, without allocating if it is a standard method.
pub(super) fn original_method(method: &Method) -> Cow<'static, str> {
    match method_label(method) {
        names::OTHER_METHOD => Cow::Owned(method.as_str().to_owned()),
        standard => Cow::Borrowed(standard),
    }
}

/// Returns the index in [`METHODS`].
fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|known| method.as_str() == *known).unwrap_or(METHODS.len() - 1)
}
