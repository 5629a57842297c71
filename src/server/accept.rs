//! Takes connections, and lets go of them gracefully.

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

/// A client that has not sent a request's whole head by then is let go, an idle one too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// When the process is out of file descriptors, only time helps.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 and HTTP/2 until `stop`; then what is under way has `grace` to end.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>, grace: Duration) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut stop => break,
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
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
                // An answer goes out at once; without it the connection still works.
                let _ = stream.set_nodelay(true);
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
