//! Upgrades a request to a WebSocket (RFC 6455 section 4.2), whose memory is limited.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::TryFutureExt;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use super::limited_stream::LimitedStream;
use crate::http::problem::Problem;

/// An open WebSocket.
pub type WebSocket = WebSocketStream<LimitedStream<TokioIo<Upgraded>>>;

const PROTOCOL: &str = "graphql-transport-ws";
/// Maximum number of bytes that a client may send before it has said who it is.
const MAX_BYTES_BEFORE_INIT: usize = 64 << 10;
/// Maximum size of a message in bytes.
const MAX_MESSAGE_SIZE: usize = 1 << 20;
/// Size of the read buffer in bytes. Each socket has one, even if it is idle.
const READ_BUFFER_SIZE: usize = 4 << 10;

/// Returns the response to a request for a WebSocket, and a future that resolves to the socket once the response has
/// been sent. The future fails if the client disconnects.
///
/// # Errors
/// Returns a 400 problem if the request is invalid, or does not offer the protocol.
pub fn upgrade(
    mut request: Request,
) -> Result<(Response, impl Future<Output = Result<WebSocket, hyper::Error>> + Send + 'static), Problem> {
    let headers = request.headers();
    if !has_element(headers, &header::CONNECTION, "upgrade") {
        return Err(Problem::malformed("a WebSocket needs the header Connection: Upgrade"));
    }
    if !has_element(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Problem::malformed("unsupported WebSocket version: set Sec-WebSocket-Version to 13"));
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err(Problem::malformed("a WebSocket needs the header Sec-WebSocket-Key"));
    };
    if !has_element(headers, &header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        let detail = format!("unsupported WebSocket protocol: set Sec-WebSocket-Protocol to {PROTOCOL}");
        return Err(Problem::malformed(detail));
    }
    let response = switching_protocols(&derive_accept_key(key.as_bytes()));
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Err(Problem::malformed("this connection cannot become a WebSocket"));
    };
    Ok((response, upgrade.and_then(async |upgraded| Ok(open(upgraded).await))))
}

/// Returns whether a header that is a list has an element.
fn has_element(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|found| found.trim().eq_ignore_ascii_case(element))
}

fn switching_protocols(accept: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

async fn open(upgraded: Upgraded) -> WebSocket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_SIZE)
        .max_message_size(Some(MAX_MESSAGE_SIZE))
        .max_frame_size(Some(MAX_MESSAGE_SIZE));
    let stream = LimitedStream::new(TokioIo::new(upgraded), MAX_BYTES_BEFORE_INIT);
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
}
