//! Rejects requests that take effect, if a page of another origin makes a browser send them.
//!
//! CORS only keeps the page from reading a response. Forms, beacons, `no-cors` requests and sockets reach a server
//! without its consent. Browsers mark them with `Sec-Fetch-Site` or `Origin`, which no page can change.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
};

use super::cors::AllowedOrigins;
use crate::{
    app::routes::{CHANGES, Recognized},
    http::{content_negotiation::negotiate, host, problem::Problem, upgrade::requests_websocket},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request that a browser sends for a page. A token does not exempt a request, because this rule
/// is about the page and not about the caller.
///
/// # Errors
/// Returns a 403 problem for a request that takes effect, or that keeps a connection open, if the page's origin is
/// neither the server's own nor allowed. Other requests only read, and CORS protects their responses.
pub fn check(
    request: &Request,
    recognized: Recognized,
    allowed: Option<&AllowedOrigins>,
) -> Result<(), Problem> {
    let headers = request.headers();
    let site = headers.get(SEC_FETCH_SITE);
    let origin = headers.get(header::ORIGIN);
    // Clients other than browsers send neither header.
    if (site.is_none() && origin.is_none())
        || is_from_own_page(request, site, origin)
        || origin.zip(allowed).is_some_and(|(origin, allowed)| allowed.contains(origin))
        || !takes_effect(request, recognized)
    {
        return Ok(());
    }
    Err(Problem::foreign_origin())
}

/// Returns whether the server's own page or the user sent the request. Browsers send `Sec-Fetch-Site` only to HTTPS
/// and loopback addresses. Elsewhere, the origin is compared with the host.
fn is_from_own_page(request: &Request, site: Option<&HeaderValue>, origin: Option<&HeaderValue>) -> bool {
    if let Some(site) = site {
        return site == "same-origin" || site == "none";
    }
    let host = host::requested(request.uri(), request.headers()).unwrap_or_default();
    origin.and_then(|origin| origin.to_str().ok()).is_none_or(|origin| is_origin_of(origin, host))
}

/// Returns whether an origin has this host and port. The scheme is ignored, because a proxy may terminate TLS. A missing
/// port is the default port of the origin's scheme.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, "80"),
        Some(("https", authority)) => (authority, "443"),
        _ => return false,
    };
    let (origin_name, origin_port) = host::split_port(authority);
    let (name, port) = host::split_port(host);
    !name.is_empty()
        && name.eq_ignore_ascii_case(origin_name)
        && port.unwrap_or(default_port) == origin_port.unwrap_or(default_port)
}

/// Returns whether a request may change data, or opens a WebSocket or an event stream.
fn takes_effect(request: &Request, recognized: Recognized) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !is_safe
        || requests_websocket(request)
        || recognized.template == Some(CHANGES)
        || accepts_events(request.headers())
}

fn accepts_events(headers: &HeaderMap) -> bool {
    negotiate(headers, |range| (range == "text/event-stream").then_some(())).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_the_host_and_port_of_its_server() {
        for (origin, host) in [
            ("http://a.example", "a.example"),
            ("http://a.example", "A.Example:80"),
            ("https://a.example", "a.example"),
            ("https://a.example", "a.example:443"),
            ("https://a.example:8000", "a.example:8000"),
            ("http://[::1]:8000", "[::1]:8000"),
            ("http://[::1]", "[::1]:"),
        ] {
            assert!(is_origin_of(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "a.example"),
            ("null", ""),
            ("http://", ""),
            ("", ""),
            ("http://b.example", "a.example"),
            ("http://a.example", "a.example:8000"),
            ("http://a.example:8001", "a.example:8000"),
            ("http://a.example:8000", "a.example"),
            ("http://a.example", "a.example:443"),
            ("http://a.example.evil.example", "a.example"),
            ("http://a.example@evil.example", "a.example"),
            ("http://[::1]:8000", "[::2]:8000"),
            ("chrome-extension://a.example", "a.example"),
        ] {
            assert!(!is_origin_of(origin, host), "{origin} {host}");
        }
    }
}
