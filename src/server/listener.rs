//! Accepts connections, serves HTTP on them and closes them gracefully.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Request, header},
};
use futures_util::TryFutureExt;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    connection_limits::ConnectionLimits,
    idle_timeout::IdleTimeout,
    progress::{Progress, TrackedBody},
    protocol_detection,
};
use crate::app::App;

/// Size of the socket send buffer in bytes. The kernel reports a socket as writable only if a third of the
/// buffer is free. With a larger buffer, a client that reads slowly would appear idle.
const SEND_BUFFER_SIZE: usize = 256 << 10;
/// Size in bytes from which HTTP/1 request headers are too large. hyper compares it before each read and reads as much at
/// once, so headers of twice the size are always rejected (431). It is also the maximum size of the write buffer.
const MAX_HTTP1_BUFFER: usize = 32 << 10;
/// Maximum size in bytes of the headers of an HTTP/2 request. Each of the streams of a connection may have so many.
const MAX_HTTP2_HEADERS: u32 = 16 << 10;
/// Maximum number of concurrent streams of an HTTP/2 connection. RFC 9113 recommends at least 100.
const MAX_HTTP2_STREAMS: u32 = 100;
/// Maximum number of bytes that an HTTP/2 client may send before the server reads them.
const HTTP2_WINDOW: u32 = 256 << 10;
/// Maximum number of bytes of a stream that h2 keeps until they are sent.
const MAX_HTTP2_SEND_BUFFER: usize = 64 << 10;
/// Pause after a failed accept, to wait for free file descriptors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Time limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionTimeouts {
    /// Maximum time without activity. HTTP/1 request headers must also be complete within this time.
    pub idle: Duration,
    /// Maximum time for active requests to finish after the listener closes.
    pub shutdown_grace: Duration,
}

/// Time for which an idle HTTP/1 connection stays open after the listener has closed, because its next request
/// may already be under way. The response to that request closes the connection.
const LINGER: Duration = Duration::from_millis(500);

/// Phases of the shutdown.
pub struct Phases {
    /// Cancelled when the server is no longer ready. Responses then ask clients to open another connection.
    pub draining: CancellationToken,
    /// Cancelled when the grace period ends early.
    pub aborting: CancellationToken,
}

/// Serves HTTP/1.1 and HTTP/2 until `stop` resolves. Active requests may finish within the grace period.
pub async fn serve(
    listener: TcpListener,
    app: App,
    Phases { draining, aborting }: Phases,
    stop: impl Future<Output = ()>,
    timeouts: ConnectionTimeouts,
    limits: ConnectionLimits,
) {
    let ConnectionTimeouts { idle, shutdown_grace } = timeouts;
    let connections = TaskTracker::new();
    let stopping = CancellationToken::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut stop => break,
        };
        // A connection above the limit is closed without a response, which would cost as much as serving it.
        let Some(reservation) = limits.reserve(peer.ip()) else {
            continue;
        };
        // Each connection has a child token, because all connections would contend for the lock of a shared
        // token.
        let signals = Signals { draining: draining.child_token(), stopping: stopping.child_token() };
        let app = app.clone();
        connections.spawn(async move {
            let _reservation = reservation;
            if let Err(error) = serve_connection(stream, peer.ip(), app.clone(), idle, signals).await {
                if is_protocol_violation(&*error) {
                    app.record_aborted_connection();
                }
                debug!(%peer, error, "connection failed");
            }
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    tokio::select! {
        biased;
        () = connections.wait() => {}
        () = tokio::time::sleep(shutdown_grace) => {
            let grace = humantime::format_duration(shutdown_grace);
            warn!("requests still active after {grace} are aborted");
        }
        () = aborting.cancelled() => warn!("requests still active at the second signal are aborted"),
    }
}

/// Returns whether the server closed an HTTP/2 connection because the client broke the protocol or its limits.
fn is_protocol_violation(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    cause.is_some_and(|error| error.is_go_away() && error.is_library())
}

/// Phases of the shutdown, as one connection sees them.
struct Signals {
    /// Cancelled when the server is no longer ready.
    draining: CancellationToken,
    /// Cancelled when the listener has closed.
    stopping: CancellationToken,
}

/// Serves a connection until either side closes it.
async fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    app: App,
    idle: Duration,
    Signals { draining, stopping }: Signals,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let is_http2 = tokio::select! {
        biased;
        is_http2 = tokio::time::timeout(idle, protocol_detection::detect_http2(&stream)) => is_http2??,
        () = stopping.cancelled() => return Ok(()),
    };
    let progress = Progress::default();
    let tracker = progress.clone();
    let drains = draining.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (response, drains) = (app.call(request.map(Body::new), peer), drains.clone());
        tracker.clone().track(response.map_ok(move |mut response| {
            if !is_http2 && drains.is_cancelled() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }))
    });
    if is_http2 {
        let stream = TokioIo::new(IdleTimeout::http2(stream, idle, progress.clone()));
        let service = service_fn(move |request| {
            let (response, progress) = (service.call(request), progress.clone());
            response.map_ok(|response| response.map(|body| TrackedBody::new(body, progress)))
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(MAX_HTTP2_STREAMS).max_header_list_size(MAX_HTTP2_HEADERS);
        builder.initial_stream_window_size(HTTP2_WINDOW).initial_connection_window_size(HTTP2_WINDOW);
        builder.max_send_buf_size(MAX_HTTP2_SEND_BUFFER);
        let connection = builder.serve_connection(stream, service);
        // Boxed, because the large HTTP/2 state would enlarge the task of every HTTP/1 connection.
        let mut connection = Box::pin(connection);
        let shut_down = http2::Connection::graceful_shutdown;
        return Ok(run_until_shutdown(draining.cancelled(), connection.as_mut(), shut_down).await?);
    }
    let stream = TokioIo::new(IdleTimeout::http1(stream, idle, progress));
    // `IdleTimeout` already limits the time for headers.
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(MAX_HTTP1_BUFFER);
    let connection = builder.serve_connection(stream, service).with_upgrades();
    let connection = pin!(connection);
    let stop = async {
        stopping.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    Ok(run_until_shutdown(stop, connection, http1::UpgradeableConnection::graceful_shutdown).await?)
}

/// Runs a connection to its end and returns its output. After `stop`, the connection completes its active
/// requests and accepts no further requests.
async fn run_until_shutdown<C: Future>(
    stop: impl Future<Output = ()>,
    mut connection: Pin<&mut C>,
    shut_down: fn(Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        biased;
        output = &mut connection => return output,
        () = stop => shut_down(connection.as_mut()),
    }
    connection.await
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // `TCP_NODELAY` sends small responses without delay. Errors are ignored, because the
                // connection also works without these options.
                let _ = stream.set_nodelay(true);
                let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_SIZE);
                return (stream, peer);
            }
            // The client closed the connection before it was accepted.
            Err(error)
                if [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset]
                    .contains(&error.kind()) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}
