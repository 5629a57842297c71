//! Redirects paths with a trailing slash.

use axum::{
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::app::routes::RouteTable;

/// Returns a 308 response to the path without its trailing slashes, with the same query. Returns `None` if no route
/// has that path.
pub fn redirect(routes: &RouteTable, uri: &Uri) -> Option<Response> {
    let path = uri.path().trim_end_matches('/');
    if path.len() == uri.path().len() || routes.recognize(&Method::GET, path).template.is_none() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{path}{query}")).ok()?;
    Some((StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response())
}
