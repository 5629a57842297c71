//! The middleware, which every request passes before its handler and every response after its handler.
//!
//! [`handle`] runs the outer part, which applies to all responses. [`handle_guarded`] runs the inner part,
//! which can reject a request.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::{
    App,
    routes::{Recognized, Route},
};
use crate::{
    access::Access,
    audit,
    http::{
        allowed_hosts::AllowedHosts,
        client_address::TrustedProxies,
        host,
        limits::{
            budget::{Budget, Reservation},
            request_rate::RequestRate,
        },
        problem::Problem,
        problem_response, read_after,
        request_body::BodyLimits,
        transfer_coding, unsent_response,
    },
    telemetry::{HttpMetrics, http::RequestRecorder, traces::ClientTrace},
};

pub mod access_control;
pub mod compression;
pub mod concurrency_limit;
pub mod cors;
pub mod cross_origin;
pub mod error_log;
pub mod panic;
pub mod request_id;
pub mod request_rate;
pub mod response_headers;
pub mod timeout;
pub mod trailing_slash;

pub use cors::{Cors, CorsOptions};

/// Settings and shared state of the middleware.
pub struct Middleware {
    pub metrics: HttpMetrics,
    /// Permits for requests.
    pub permits: Budget,
    /// Permits for compressed responses.
    pub compressions: Budget,
    /// Bytes of bodies in memory.
    pub bodies: Budget,
    pub body: BodyLimits,
    /// `None` if no other origin is allowed.
    pub cors: Option<Cors>,
    pub access: Access,
    /// `None` if the rate of requests is not limited.
    pub request_rate: Option<RequestRate>,
    pub proxies: TrustedProxies,
    pub hosts: AllowedHosts,
}

/// Recognizes the route, runs the middleware and the handler, and returns the response.
pub async fn handle(app: App, mut request: Request, peer: IpAddr) -> Response {
    let recognized = app.0.routes.recognize(request.method(), request.uri().path());
    let proxies = &app.0.middleware.proxies;
    let (id, client_trace) = if proxies.trusts_ids(peer) {
        (request_id::from_headers(request.headers()), ClientTrace::Continued)
    } else {
        (request_id::generate(), ClientTrace::Linked)
    };
    let address = proxies.client_address(peer, request.headers());
    let encodings = compression::accepted_encodings(request.headers());
    // Metrics and the trace cover all further steps.
    let metrics = app.0.middleware.metrics.clone();
    let template = recognized.template;
    let recorder = RequestRecorder::start(metrics, template, id.clone(), address, client_trace, &mut request);
    let start = recorder.started_at();
    let respond = async move {
        let rejected_host = check_head(&request, &app.0.middleware.hosts).err();
        let cors = app.0.middleware.cors.as_ref().filter(|_| recognized.allows_cors);
        let response = match (rejected_host, cors) {
            (Some(problem), _) => problem.into_response(),
            // Boxed to keep the outer future small, because most requests have no origin.
            (None, Some(cors)) if cors::has_origin(&request) => {
                let (app, cors) = (app.clone(), cors.clone());
                let next = move |request| handle_guarded(app, recognized, request);
                Box::pin(cors::handle(cors, request, next)).await
            }
            (None, Some(_)) => cors::vary_by_origin(handle_guarded(app.clone(), recognized, request).await),
            (None, None) => handle_guarded(app.clone(), recognized, request).await,
        };
        let mut response = problem_response::render(response, &id);
        let time_to_headers = start.elapsed();
        error_log::log(response.status(), time_to_headers);
        response_headers::set_defaults(response.headers_mut(), time_to_headers);
        request_id::set(response.headers_mut(), &id);
        let rate = app.0.middleware.request_rate.as_ref();
        read_after::add_header(response.headers_mut());
        request_rate::add_headers(rate, recognized.route, response.headers_mut());
        if compression::should_compress(&response) {
            // Boxed to keep the outer future small, because most responses are not compressed.
            response =
                Box::pin(compression::compress(encodings, &app.0.middleware.compressions, response)).await;
        }
        (response, time_to_headers)
    };
    recorder.run(respond).await
}

/// Checks that the transfer codings and the host of a request are valid, and that the listener serves the host.
fn check_head(request: &Request, allowed: &AllowedHosts) -> Result<(), Problem> {
    transfer_coding::check(request.headers())?;
    host::check(request.version(), request.headers())?;
    allowed.check(host::requested(request.uri(), request.headers()))
}

/// Runs the handler if the page and the caller may use the route within the limits. Returns its response, or an error
/// response.
async fn handle_guarded(app: App, recognized: Recognized, request: Request) -> Response {
    let App(app) = app;
    let Middleware { bodies, body, access, cors, .. } = &app.middleware;
    let origins = cors.as_ref().map(|cors| &cors.origins);
    if let Err(problem) = cross_origin::check(&request, recognized, origins) {
        audit::denied(&problem.detail());
        return problem.into_response();
    }
    if recognized.template.is_none()
        && let Some(response) = trailing_slash::redirect(&app.routes, request.uri())
    {
        return response;
    }
    let is_import = concurrency_limit::is_import(recognized.route, request.headers());
    let permit = match admit(&app.middleware, recognized.route, request.headers(), is_import) {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let limit = timeout::limit(body, is_import);
    let handler = panic::catch(async { app.handlers.dispatch(recognized, request).await });
    let response = timeout::run(limit, handler).await;
    drop(permit);
    let response = match recognized.route {
        Some(route) if route.has_large_responses() => {
            unsent_response::hold(bodies, route.method == "GET", response)
        }
        _ => response,
    };
    access_control::end_with_credentials(access, response)
}

/// Authenticates the caller, checks its scope and the limits, and returns the permit that the route needs.
fn admit(
    middleware: &Middleware,
    route: Option<&Route>,
    headers: &HeaderMap,
    is_import: bool,
) -> Result<Option<Reservation>, Problem> {
    let caller = access_control::authenticate(&middleware.access, route, headers)?;
    // Requests without the scope count, too.
    request_rate::count(middleware.request_rate.as_ref(), route)?;
    access_control::authorize(caller.as_ref(), route, headers, is_import)?;
    if route.is_some_and(Route::has_large_responses) {
        read_after::record(headers)?;
    }
    concurrency_limit::try_acquire(&middleware.permits, route)
}
