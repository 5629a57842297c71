//! Limits the number of concurrent requests.

use axum::http::HeaderMap;

use crate::{
    app::routes::{Concurrency, Route},
    formats::Format,
    http::{
        limits::budget::{Budget, Reservation},
        media_type::media_type,
        problem::Problem,
    },
};

/// Takes and returns a permit. Returns `None` if the route needs no permit, or takes it when the body has arrived.
///
/// # Errors
/// Returns a 503 problem if no permit is free.
pub fn try_acquire(requests: &Budget, route: Option<&Route>) -> Result<Option<Reservation>, Problem> {
    match route.map(|route| route.concurrency) {
        Some(Concurrency::Requests) => requests.reserve_one().map(Some),
        Some(Concurrency::Unlimited | Concurrency::AfterBody | Concurrency::AfterBodyOrFile) | None => {
            Ok(None)
        }
    }
}

/// Returns whether a request uploads a file to import.
pub fn is_import(route: Option<&Route>, headers: &HeaderMap) -> bool {
    route.is_some_and(|route| route.concurrency == Concurrency::AfterBodyOrFile)
        && media_type(headers).and_then(Format::from_media_type).is_some_and(|format| format != Format::Json)
}
