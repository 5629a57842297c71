//! Runs the server and shuts it down in order.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Server,
    listener::{self, ConnectionTimeouts, Phases},
};

/// Maximum time that sockets may take to close after the grace period.
const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum time to close the database, which may hang on a lost connection.
const DATABASE_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

impl Server {
    /// Serves until `stop` resolves, then shuts down:
    ///
    /// 1. Readiness checks fail, but the server continues to serve requests for the shutdown delay. Responses
    ///    close their HTTP/1 connections, and HTTP/2 connections accept no further requests.
    /// 2. The listeners close. Subscriptions and sockets end with a reason.
    /// 3. Active requests may finish within the grace period.
    /// 4. The last metrics are pushed, if a collector is configured.
    /// 5. The connections to the database are closed. A SQLite file then holds everything.
    ///
    /// `stop_again` returns a future that resolves at the next signal, which ends the shutdown delay or the grace
    /// period.
    pub async fn run<F: Future<Output = ()>>(
        self,
        stop: impl Future<Output = ()>,
        stop_again: impl Fn() -> F,
    ) {
        let Self { main, metrics, services, config } = self;
        let (stopping, aborting) = (CancellationToken::new(), CancellationToken::new());
        let draining = services.shutting_down.clone();
        let stop = async {
            stop.await;
            services.shutting_down.cancel();
            let delay = config.shutdown_delay;
            if !delay.is_zero() {
                info!("shutting down in {}: no longer ready", humantime::format_duration(delay));
                let _ = tokio::time::timeout(delay, stop_again()).await;
            }
            stopping.cancel();
            info!("shutting down: no new connections, requests under way may finish");
            services.websockets.stop();
            services.catalog.close_feed();
        };
        let timeouts =
            ConnectionTimeouts { idle: config.idle_timeout, shutdown_grace: config.shutdown_grace };
        let metrics = async {
            if let Some((listener, app)) = metrics {
                let phases = Phases { draining: draining.clone(), aborting: aborting.clone() };
                listener::serve(listener, app, phases, stopping.cancelled(), timeouts).await;
            }
        };
        let phases = Phases { draining: draining.clone(), aborting: aborting.clone() };
        let serve = async { tokio::join!(listener::serve(main.0, main.1, phases, stop, timeouts), metrics) };
        let abort = async {
            stopping.cancelled().await;
            stop_again().await;
            aborting.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = serve => {}
            () = abort => {}
        }
        if tokio::time::timeout(WEBSOCKET_CLOSE_TIMEOUT, services.websockets.closed()).await.is_err() {
            warn!("closing WebSockets whose clients did not close them");
        }
        let telemetry = services.telemetry;
        // Runs on a blocking thread, because it waits until the collector has received the metrics.
        let _ = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
        if tokio::time::timeout(DATABASE_CLOSE_TIMEOUT, services.store.close()).await.is_err() {
            warn!("the database was not closed in time");
        }
        info!("stopped");
    }
}
