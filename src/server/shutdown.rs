//! Serves until the signal to stop, then shuts down in order.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Server,
    listener::{self, ConnectionTimeouts},
};

/// Time for sockets to close. It has begun before, with the grace time.
const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until `stop` resolves, then shuts down:
    ///
    /// 1. Readiness fails, and the server goes on serving for the shutdown delay.
    /// 2. Listeners close; subscriptions and sockets end with a reason.
    /// 3. Requests may finish within the grace time.
    /// 4. The last metrics are pushed, if a collector is configured.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { main, metrics, services, config } = self;
        let stopping = CancellationToken::new();
        let stop = async {
            stop.await;
            services.shutting_down.cancel();
            let delay = config.shutdown_delay;
            if !delay.is_zero() {
                info!("shutting down in {}: no longer ready", humantime::format_duration(delay));
                tokio::time::sleep(delay).await;
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
                listener::serve(listener, app, stopping.cancelled(), timeouts).await;
            }
        };
        tokio::join!(listener::serve(main.0, main.1, stop, timeouts), metrics);
        if tokio::time::timeout(WEBSOCKET_CLOSE_TIMEOUT, services.websockets.closed()).await.is_err() {
            warn!("closing WebSockets whose clients did not close them");
        }
        // Blocks until the collector has the metrics.
        let _ = tokio::task::spawn_blocking(move || services.telemetry.shutdown()).await;
        info!("stopped");
    }
}
