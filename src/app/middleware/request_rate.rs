//! Limits the rate of requests of each caller. Routes without authentication, and metrics, are exempt, because health
//! checks and monitoring must work for every client.

use axum::http::HeaderMap;

use crate::{
    app::routes::{Permission, Route},
    domain::Scope,
    http::{limits::request_rate::RequestRate, problem::Problem},
};

/// Counts a request of the current caller. `rate` is `None` if the rate is not limited.
///
/// # Errors
/// Returns a 429 problem if the caller exceeds the rate.
pub fn count(rate: Option<&RequestRate>, route: Option<&Route>) -> Result<(), Problem> {
    rate.filter(|_| is_limited(route)).map_or(Ok(()), RequestRate::count)
}

/// Adds the headers with the caller's rate to a response.
pub fn add_headers(rate: Option<&RequestRate>, route: Option<&Route>, headers: &mut HeaderMap) {
    if let Some(rate) = rate.filter(|_| is_limited(route)) {
        rate.add_headers(headers);
    }
}

fn is_limited(route: Option<&Route>) -> bool {
    let is_exempt =
        |route: &Route| matches!(route.permission, Permission::Public | Permission::Scope(Scope::Metrics));
    route.is_some_and(|route| !is_exempt(route))
}
