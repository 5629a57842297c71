//! Runs the server and shuts it down in order.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Server,
    connection_limits::{ConnectionLimits, possible_connections},
    listener::{self, ConnectionTimeouts, Phases},
};

/// Maximum time that sockets may take to close after the grace period.
const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum time to close the database, which may hang on a lost connection.
const DATABASE_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

impl Server {
    /// Serves until the first signal, then shuts down:
    ///
    /// 1. Readiness checks fail, but the server continues to serve requests for the shutdown delay. Responses
    ///    close their HTTP/1 connections, and HTTP/2 connections accept no further requests.
    /// 2. The listeners close. Subscriptions and sockets end with a reason.
    /// 3. Active requests may finish within the grace period.
    /// 4. The last metrics are pushed, if a collector is configured.
    /// 5. The connections to the database are closed. A SQLite file then holds everything.
    ///
    /// `signal` waits for the next signal. A further signal ends the shutdown delay, and one after it the grace
    /// period.
    pub async fn run(self, mut signal: impl AsyncFnMut()) {
        let Self { main, metrics, services, config } = self;
        let (stopping, aborting) = (CancellationToken::new(), CancellationToken::new());
        let draining = services.shutting_down.clone();
        let timeouts =
            ConnectionTimeouts { idle: config.idle_timeout, shutdown_grace: config.shutdown_grace };
        let total = possible_connections(config.limits.connections, config.database_connections);
        let serve = async |(listener, app)| {
            let phases = Phases { draining: draining.clone(), aborting: aborting.clone() };
            let per_address = config.limits.connections_per_address.into();
            let limits = ConnectionLimits::new(total, per_address, config.access.trusted_proxies());
            listener::serve(listener, app, phases, stopping.cancelled(), timeouts, limits).await;
        };
        let metrics = async {
            if let Some(metrics) = metrics {
                serve(metrics).await;
            }
        };
        let shut_down = async {
            signal().await;
            services.shutting_down.cancel();
            let delay = config.shutdown_delay;
            if !delay.is_zero() {
                info!("shutting down in {}: no longer ready", humantime::format_duration(delay));
                let _ = tokio::time::timeout(delay, signal()).await;
            }
            stopping.cancel();
            info!("shutting down: no new connections, requests under way may finish");
            services.websockets.stop();
            services.catalog.close_feed();
            signal().await;
            aborting.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = async { tokio::join!(serve(main), metrics) } => {}
            () = shut_down => {}
        }
        if tokio::time::timeout(WEBSOCKET_CLOSE_TIMEOUT, services.websockets.closed()).await.is_err() {
            warn!("closing WebSockets whose clients did not close them");
        }
        let telemetry = services.telemetry;
        // Runs on a blocking thread, because it waits until the collector has received the metrics.
        let _ = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
        let close = async {
            services.access.store_last_used().await;
            services.store.close().await;
        };
        if tokio::time::timeout(DATABASE_CLOSE_TIMEOUT, close).await.is_err() {
            warn!("the database was not closed in time");
        }
        info!("stopped");
    }
}
