//! Takes connections, and lets go of them gracefully.

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tracing::{debug, warn};

use super::idle::{IdleTimeout, Work};

/// The system says that a slow reader has moved only when a third of this is free: larger buffers would make it
/// look idle.
const SEND_BUFFER: usize = 256 << 10;
/// When the process is out of file descriptors, only time helps.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How long connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without a byte in either direction, before a client is let go.
    pub idle: Duration,
    /// For what is under way at the end.
    pub grace: Duration,
}

/// Serves HTTP/1.1 and HTTP/2 until `stop`.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>, patience: Patience) {
    let Patience { idle, grace } = patience;
    let mut builder = Builder::new(TokioExecutor::new());
    // A head that trickles in moves bytes all the time.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle);
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut stop => break,
        };
        let work = Work::default();
        let done = work.clone();
        let app =
            ServiceExt::<Request<Incoming>>::map_future(app.clone(), move |answer| done.clone().on(answer));
        let service = TowerToHyperService::new(app);
        let (builder, watcher) = (builder.clone(), connections.watcher());
        tokio::spawn(async move {
            let stream = TokioIo::new(IdleTimeout::new(stream, idle, work));
            let connection = builder.serve_connection_with_upgrades(stream, service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                debug!(%peer, error, "the connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        warn!("requests still under way after {} are cut off", humantime::format_duration(grace));
    }
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
