//! Takes connections, and lets go of them gracefully.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    time::Duration,
};

use axum::{body::Body, http::Request};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    idle_timeout::{ActiveRequests, IdleTimeout},
    protocol_detection,
};
use crate::app::dispatch::App;

/// The system says that a slow reader has moved only when a third of this is free: larger buffers would make it
/// look idle.
const SEND_BUFFER: usize = 256 << 10;
/// When the process is out of file descriptors, only time helps.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How long connections may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionTimeouts {
    /// Without a byte in either direction, and for a head of HTTP/1 as a whole, before a client is let go.
    pub idle: Duration,
    /// For what is under way at the end.
    pub grace: Duration,
}

/// Serves HTTP/1.1 and HTTP/2 until `stop`.
pub async fn serve(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()>,
    patience: ConnectionTimeouts,
) {
    let ConnectionTimeouts { idle, grace } = patience;
    let connections = TaskTracker::new();
    let stopping = CancellationToken::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut stop => break,
        };
        // A token of its own: all connections would meet at the lock of a shared one.
        let served = serve_connection(stream, app.clone(), idle, stopping.child_token());
        connections.spawn(async move {
            if let Err(error) = served.await {
                debug!(%peer, error, "the connection broke");
            }
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        warn!("requests still under way after {} are cut off", humantime::format_duration(grace));
    }
}

/// Serves a connection, until one of the two sides is done with it.
async fn serve_connection(
    stream: TcpStream,
    app: App,
    idle: Duration,
    stopping: CancellationToken,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let speaks_http2 = tokio::select! {
        biased;
        speaks_http2 = tokio::time::timeout(idle, protocol_detection::detect_http2(&stream)) => speaks_http2??,
        () = stopping.cancelled() => return Ok(()),
    };
    let work = ActiveRequests::default();
    let done = work.clone();
    let service =
        service_fn(move |request: Request<Incoming>| done.clone().on(app.call(request.map(Body::new))));
    if speaks_http2 {
        let stream = TokioIo::new(IdleTimeout::of_http2(stream, idle, work));
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service);
        // Boxed: its state is large, and most connections have none of it.
        let mut connection = Box::pin(connection);
        return Ok(until(stopping, connection.as_mut(), http2::Connection::graceful_shutdown).await?);
    }
    let stream = TokioIo::new(IdleTimeout::of_http1(stream, idle, work));
    // A head's time is that of the stream.
    let connection =
        http1::Builder::new().header_read_timeout(None).serve_connection(stream, service).with_upgrades();
    let connection = pin!(connection);
    Ok(until(stopping, connection, http1::UpgradeableConnection::graceful_shutdown).await?)
}

/// Runs a connection to its end, which is near when the server is stopping: it answers what was asked, and no more.
async fn until<C: Future>(
    stopping: CancellationToken,
    mut connection: Pin<&mut C>,
    end: fn(Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        biased;
        done = &mut connection => return done,
        () = stopping.cancelled() => end(connection.as_mut()),
    }
    connection.await
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // An answer goes out at once; without these the connection still works.
                let _ = stream.set_nodelay(true);
                let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
                return (stream, peer);
            }
            // The client was gone before we came to it.
            Err(error)
                if [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset]
                    .contains(&error.kind()) => {}
            Err(error) => {
                warn!(%error, "can't accept connections");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}
