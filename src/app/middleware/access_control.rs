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
    domain::{Caller, Error, OnConflict, Scope},
    http::{
        bearer_token,
        limits::{Limit, Party},
        media_type::media_type,
        problem::Problem,
    },
    request_context,
    rest::prefer::Preference,
};

/// Authenticates and returns the caller. Returns `None` for public routes, and for paths without a route.
///
/// # Errors
/// Returns a 401 problem if the token is not valid, and a 429 problem if that happened too often.
pub fn authenticate(
    access: &Access,
    route: Option<&Route>,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Problem> {
    if permission(route) == Permission::Public {
        return Ok(None);
    }
    let caller = identify(access, headers).inspect_err(|problem| audit::denied(&problem.detail()))?;
    request_context::set_caller(caller.clone());
    Ok(Some(caller))
}

/// Checks that the caller has the scope that the route needs. `caller` is `None` if the route needs none.
///
/// # Errors
/// Returns a 401 problem for a caller without a token, and a 403 problem if the token lacks the scope.
pub fn authorize(
    caller: Option<&Caller>,
    route: Option<&Route>,
    headers: &HeaderMap,
    is_import: bool,
) -> Result<(), Problem> {
    let scope = match permission(route) {
        // A file can replace all products.
        Permission::Scope(_) if is_import && replaces(headers) => Scope::Admin,
        Permission::Scope(scope) => scope,
        Permission::Public | Permission::PerOperation => return Ok(()),
    };
    let allowed = caller.map_or(Err(Error::Unauthorized), |caller| caller.require(scope));
    allowed.inspect_err(audit::denied).map_err(Problem::from)
}

fn permission(route: Option<&Route>) -> Permission {
    route.map_or(Permission::Public, |route| route.permission)
}

fn replaces(headers: &HeaderMap) -> bool {
    Preference::from_headers(headers).0 == OnConflict::Replace
}

fn identify(access: &Access, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut credentials = headers.get_all(header::AUTHORIZATION).iter();
    if credentials.next().is_some() && credentials.next().is_some() {
        return Err(Problem::malformed("Authorization must be sent only once"));
    }
    let token = bearer_token::from_headers(headers);
    access.authenticate(token).map_err(|InvalidToken| {
        let address = request_context::current_request().map(|request| request.info().address);
        match address.map_or(Ok(()), |address| access.record_failure(address)) {
            Ok(()) => Problem::invalid_token(),
            Err(wait) => {
                Limit::Authentications.record(Party::Caller);
                Problem::too_many_failures(wait)
            }
        }
    })
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
