//! Checks who sends a request, and whether the caller may use the route.

use axum::{
    body::Body,
    http::{HeaderMap, header},
    response::Response,
};
use futures_util::StreamExt;

use crate::{
    access::{Access, InvalidToken},
    app::routes::{Permission, Route},
    audit,
    domain::{Caller, OnConflict, Scope},
    http::{bearer_token, media_type::media_type, problem::Problem},
    request_context,
    rest::prefer::Preference,
};

/// Authenticates the caller and checks the scope that the route needs. Paths without a route need none.
///
/// # Errors
/// Returns a 401 problem if the token is missing or not valid, and a 403 problem if it lacks the scope.
pub fn check(
    access: &Access,
    route: Option<&Route>,
    headers: &HeaderMap,
    is_import: bool,
) -> Result<(), Problem> {
    let permission = route.map_or(Permission::Public, |route| route.permission);
    if permission == Permission::Public {
        return Ok(());
    }
    let caller = authenticate(access, headers).inspect_err(|problem| audit::denied(&problem.detail()))?;
    let scope = match permission {
        // A file can replace all products.
        Permission::Scope(_) if is_import && replaces(headers) => Some(Scope::Admin),
        Permission::Scope(scope) => Some(scope),
        Permission::Public | Permission::PerOperation => None,
    };
    let allowed = scope.map_or(Ok(()), |scope| caller.require(scope));
    request_context::set_caller(caller);
    allowed.inspect_err(audit::denied).map_err(Problem::from)
}

fn replaces(headers: &HeaderMap) -> bool {
    Preference::from_headers(headers).0 == OnConflict::Replace
}

fn authenticate(access: &Access, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut credentials = headers.get_all(header::AUTHORIZATION).iter();
    if credentials.next().is_some() && credentials.next().is_some() {
        return Err(Problem::malformed("Authorization must be sent only once"));
    }
    let token = bearer_token::from_headers(headers);
    access.authenticate(token).map_err(|InvalidToken| Problem::invalid_token())
}

/// Makes a stream of events end when the caller's credentials end. Returns other responses unchanged.
pub fn end_with_credentials(access: &Access, response: Response) -> Response {
    if media_type(response.headers()) != Some("text/event-stream") {
        return response;
    }
    let Some(caller) = request_context::caller() else {
        return response;
    };
    let access = access.clone();
    let ended = Box::pin(async move { access.ended(caller).await });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(ended)))
}
