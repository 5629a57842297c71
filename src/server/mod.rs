//! The server: startup, listeners and shutdown.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod connection_limits;
mod idle_timeout;
mod listener;
mod progress;
mod protocol_detection;
mod shutdown;

use crate::{
    access::{Access, AccessError},
    app::{
        background_tasks,
        instrumentation::{observe_limits, observe_log, observe_pool, observe_replica, statement_observer},
        wiring::{self, Services},
    },
    catalog::{Catalog, CatalogOptions},
    config::{Config, Secret},
    graphql::WebSockets,
    store::{
        self, DatabaseUrl, MigrateError, OpenError, PoolOptions, ReplicaOptions, StatementObserver, Store,
    },
    telemetry::{Telemetry, TelemetryError},
};

pub use crate::app::{App, openapi::document};
pub use connection_limits::connections_within;

/// An error that prevents the server from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    DatabaseUrl(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("cannot set up the metrics: {0}")]
    Telemetry(#[from] TelemetryError),
    #[error("{0}")]
    AccessSettings(String),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(
        "the server would be open to everybody on {0}: create a token with `stockmeter token create`, set \
        STOCKMETER_JWT_KEYS or STOCKMETER_JWT_SECRET, or say with STOCKMETER_ANONYMOUS what clients without a \
        token may do"
    )]
    Unprotected(SocketAddr),
    #[error("invalid list of routes: {0}")]
    Routes(#[from] matchit::InsertError),
}

/// A server whose listeners are open. [`Server::run`] serves their requests.
pub struct Server {
    main: (TcpListener, App),
    /// Separate listener for metrics and health checks, if it is configured.
    metrics: Option<(TcpListener, App)>,
    services: Services,
    config: Config,
}

impl Server {
    /// Opens and migrates the database, starts the background tasks, and opens the listeners.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let start = Instant::now();
        let services = open_services(&config).await?;
        check_access(&services.access, &config)?;
        background_tasks::spawn_access(services.access.clone());
        background_tasks::spawn(&services.telemetry, &services.store, &services.catalog, &config);
        let (app, metrics_app) = wiring::build(&services, &config)?;
        let main = (listen(config.listen).await?, app);
        let metrics = match config.metrics_listen.zip(metrics_app) {
            Some((address, app)) => Some((listen(address).await?, app)),
            None => None,
        };
        let server = Self { main, metrics, services, config };
        server.log_addresses(start);
        Ok(server)
    }

    /// Returns the application of the main listener, which can be called without a network connection.
    pub fn app(&self) -> App {
        self.main.1.clone()
    }

    /// Returns the address of the main listener, or `None` if the system does not report it.
    pub fn address(&self) -> Option<SocketAddr> {
        self.main.0.local_addr().ok()
    }

    fn log_addresses(&self, start: Instant) {
        if let Some(address) = self.metrics.as_ref().and_then(|(listener, _)| listener.local_addr().ok()) {
            info!(%address, "metrics on http://{address}/metrics");
        }
        if let Some(address) = self.address() {
            let seconds = start.elapsed().as_secs_f64();
            info!(%address, seconds, "listening on http://{address}");
        }
    }
}

async fn open_services(config: &Config) -> Result<Services, StartError> {
    let telemetry = Telemetry::new()?;
    let observer = statement_observer(&telemetry.meter());
    let replica = replica(config)?;
    let store = open_store_with(&database_url(config)?, replica.as_ref(), config, Some(observer)).await?;
    store::migrate_up(&*store, config.database_wait).await?;
    observe_log(&telemetry.meter());
    observe_limits(&telemetry.meter());
    observe_pool(&telemetry.meter(), store.clone());
    observe_replica(&telemetry.meter(), store.clone());
    let catalog = Catalog::new(store.clone(), catalog_options(config));
    let access =
        config.access.options(config.limits.failed_authentications).map_err(StartError::AccessSettings)?;
    let access = Access::open(store.clone(), access).await?;
    // Pings are sent more often than the idle timeout, so that connections of responsive clients stay open.
    let websockets = WebSockets::new(config.idle_timeout / 3, config.limits.websockets);
    Ok(Services { telemetry, store, catalog, access, websockets, shutting_down: CancellationToken::new() })
}

/// Checks that a server on a public address knows what strangers may do.
///
/// # Errors
/// Returns [`StartError::Unprotected`] if it does not.
fn check_access(access: &Access, config: &Config) -> Result<(), StartError> {
    if config.access.ignores_secret_key() {
        warn!("SECRET_KEY has no effect: set STOCKMETER_JWT_SECRET_KEY=true to accept tokens signed with it");
    }
    let addresses = [Some(config.listen), config.metrics_listen];
    match addresses.into_iter().flatten().find(|address| !address.ip().is_loopback()) {
        Some(address) if !access.is_decided() => Err(StartError::Unprotected(address)),
        _ => Ok(()),
    }
}

/// Returns the configured database.
///
/// # Errors
/// [`StartError`].
pub fn database_url(config: &Config) -> Result<DatabaseUrl, StartError> {
    parse_url("DATABASE_URL", &config.database_url)
}

fn parse_url(setting: &str, url: &Secret) -> Result<DatabaseUrl, StartError> {
    url.expose().parse().map_err(|problem| StartError::DatabaseUrl(format!("{setting} {problem}")))
}

/// Returns the configured replica, or `None` if reads ask the primary.
///
/// # Errors
/// [`StartError`].
pub fn replica(config: &Config) -> Result<Option<ReplicaOptions>, StartError> {
    let Some(url) = &config.database_read_url else {
        return Ok(None);
    };
    Ok(Some(ReplicaOptions { url: parse_url("DATABASE_READ_URL", url)?, wait: config.database_read_wait }))
}

/// Opens a database with the configured options, and without a replica.
///
/// # Errors
/// [`StartError`].
pub async fn open_store(url: &DatabaseUrl, config: &Config) -> Result<Arc<dyn Store>, StartError> {
    open_store_with(url, None, config, None).await
}

async fn open_store_with(
    url: &DatabaseUrl,
    replica: Option<&ReplicaOptions>,
    config: &Config,
    observer: Option<Arc<dyn StatementObserver>>,
) -> Result<Arc<dyn Store>, StartError> {
    let options = PoolOptions {
        connections: config.database_connections,
        wait: config.database_wait,
        acquire_timeout: config.database_acquire_timeout,
        statement_timeout: config.database_statement_timeout,
    };
    let store = store::open(url, replica, options, observer).await?;
    info!(database = %url, "connected");
    Ok(store)
}

/// Returns the catalog's options from the configuration.
pub fn catalog_options(config: &Config) -> CatalogOptions {
    CatalogOptions {
        require_version: config.require_if_match,
        idempotency_retention: config.idempotency_retention,
        max_subscriptions: config.subscriptions,
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}
