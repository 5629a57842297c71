//! Upgrade of a connection to the WebSocket protocol (RFC 6455).

use axum::{
    extract::Request,
    http::{Version, header},
};

/// Returns whether the client requests a WebSocket. Upgrades to other protocols, such as `h2c`, are ignored, and
/// so are all upgrades in HTTP/1.0 (RFC 9110 section 7.8).
pub fn requests_websocket(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    request.version() > Version::HTTP_10
        && upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
