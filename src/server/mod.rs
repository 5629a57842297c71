//! Puts the rooms together, listens, and shuts down gracefully.

mod idle_timeout;
mod listener;
mod protocol_detection;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use listener::ConnectionTimeouts;

use crate::{
    app::{
        dispatch::HotRoutes,
        instrumentation,
        middleware::{self, DirectRoute, bearer_auth, concurrency_limit::ConcurrencyLimits},
        openapi,
    },
    catalog::{Catalog, CatalogOptions},
    config::{Config, OperationNames},
    database::{self, ConnectError, Database, DatabaseUrl, MigrateError, PoolOptions},
    graphql::{self, GraphqlState, Limits, Service, WebSockets},
    http::request_body::BodyLimits,
    operations::{
        health::{self, HealthState},
        index, metrics, slow_requests,
    },
    rest::{self, RestState},
    telemetry::{HttpMetrics, Telemetry, TelemetryError, routes::Routes, slow_requests::SlowRequestLog},
};

pub use crate::app::dispatch::App;
pub use crate::app::openapi::document;

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `DATABASE_URL` is of no use.
    #[error("{0}")]
    DatabaseUrl(String),
    /// The database can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its schema can't be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The address is taken or not ours.
    #[error("can't listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The metrics can't be set up.
    #[error("can't set up the metrics: {0}")]
    Telemetry(#[from] TelemetryError),
}

/// A server that listens and has not served yet.
pub struct Server {
    listener: TcpListener,
    app: App,
    /// Where metrics and health are apart.
    management: Option<(TcpListener, App)>,
    catalog: Catalog,
    sockets: WebSockets,
    /// Cancelled when the server is about to stop.
    shutting_down: CancellationToken,
    telemetry: Telemetry,
    config: Config,
}

/// Opens the store that the settings name.
///
/// # Errors
/// [`StartError`].
pub async fn open_database(
    config: &Config,
    watch: Option<Arc<dyn database::StatementObserver>>,
) -> Result<Database, StartError> {
    let url: DatabaseUrl = config.database_url.expose().parse().map_err(StartError::DatabaseUrl)?;
    let options = PoolOptions {
        connections: config.database_connections,
        wait: config.database_wait,
        acquire_timeout: config.database_acquire_timeout,
        statement_timeout: config.database_statement_timeout,
    };
    let database = Database::connect(&url, options, watch).await?;
    info!(database = %url, "connected");
    Ok(database)
}

/// What the settings say of the catalog.
pub fn rules(config: &Config) -> CatalogOptions {
    CatalogOptions {
        require_version: config.require_if_match,
        idempotency_retention: config.idempotency_retention,
        max_subscriptions: config.subscriptions,
    }
}

/// What the settings say of GraphQL.
fn limits(config: &Config) -> Limits {
    Limits {
        bytes: config.graphql_bytes,
        depth: config.graphql_depth,
        cost: config.graphql_cost,
        values: config.graphql_values,
        root_fields: config.graphql_root_fields,
        aliases: config.graphql_aliases,
        directives: config.graphql_directives,
        batch: config.graphql_batch,
        timeout: config.graphql_timeout,
        introspection: config.graphql_introspection,
    }
}

impl Server {
    /// Opens the store, brings it up to date and listens.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let start = Instant::now();
        let telemetry = Telemetry::new()?;
        let meter = telemetry.meter();
        let database = open_database(&config, Some(instrumentation::statement_observer(&meter))).await?;
        database.migrate_up().await?;
        instrumentation::observe_pool(&meter, database.clone());
        if let Err(error) = telemetry.spawn_system_metrics(config.metrics_collection_interval) {
            warn!(%error, "no system metrics");
        }
        let catalog = Catalog::new(database.clone(), rules(&config));
        spawn_background_tasks(&catalog, &config);
        instrumentation::spawn_catalog_metrics(
            &meter,
            database.clone(),
            catalog.clone(),
            config.catalog_collection_interval,
            config.metrics_collection_interval,
        );
        // A client whose connection is silent is known to be there long before it would be let go.
        let sockets = WebSockets::new(config.idle_timeout / 3, config.body_limit);
        let body = BodyLimits {
            size: config.body_limit,
            time: config.request_timeout,
            import_size: config.import_limit,
            import_time: config.import_timeout,
        };
        let places = ConcurrencyLimits::new(config.concurrent_requests);
        let names = config.graphql_operation_names.as_ref().map(OperationNames::names).unwrap_or_default();
        let operations = instrumentation::operation_observer(&meter, names);
        let service = Service::new(catalog.clone(), limits(&config), places.requests.clone(), operations);
        let shutting_down = CancellationToken::new();
        let health = Router::from(
            health::api().with_state(HealthState { database, shutting_down: shutting_down.clone() }),
        );
        let rooms_routes = [
            index::ROUTES,
            health::ROUTES,
            metrics::ROUTES,
            slow_requests::ROUTES,
            openapi::ROUTES,
            rest::ROUTES,
            graphql::ROUTES,
        ];
        let routes = Routes::new(rooms_routes.concat());
        let slow = SlowRequestLog::new(&routes);
        let metrics_room = Router::from(metrics::api().with_state(telemetry.clone()))
            .merge(slow_requests::api().with_state(slow.clone()));
        let metrics_room = bearer_auth::require_bearer_token(metrics_room, config.metrics_token.as_ref());
        let rooms = Router::new().merge(index::api()).merge(health.clone()).merge(openapi::router());
        let rest = RestState { catalog: catalog.clone(), body_limits: body };
        let graphql = GraphqlState { service, sockets: sockets.clone(), body };
        let api = Router::from(rest::api().with_state(rest.clone()))
            .merge(graphql::api().with_state(graphql.clone()));
        let (rooms, management) = match config.metrics_listen {
            Some(address) => (rooms, Some((address, health.merge(metrics_room)))),
            None => (rooms.merge(metrics_room), None),
        };
        let metrics = HttpMetrics::new(
            &meter,
            config.http_duration_buckets.bounds(),
            config.http_size_buckets.bounds(),
            routes,
            slow,
        );
        let rooms = middleware::apply_middleware(
            rooms,
            Some((api, places.clone())),
            &metrics,
            body,
            &config.cors_origins,
        );
        let shortcut = |endpoint| DirectRoute::new(endpoint, &metrics, body, Some(places.clone()));
        let shortcuts = HotRoutes {
            rest,
            graphql,
            to_product: shortcut("/products/{product_id}"),
            to_products: shortcut("/products"),
            to_graphql: shortcut("/graphql"),
        };
        // Past the router there is no layer for other origins.
        let app = App::new(rooms, config.cors_origins.is_empty().then_some(shortcuts));
        let listener = listen(config.listen).await?;
        let management = match management {
            Some((address, rooms)) => {
                let rooms = middleware::apply_middleware(rooms, None, &metrics, body, &[]);
                Some((listen(address).await?, App::new(rooms, None)))
            }
            None => None,
        };
        let server = Self { listener, app, management, catalog, sockets, shutting_down, telemetry, config };
        if let Some(address) = server.management.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
        {
            info!(%address, "metrics on http://{address}/metrics");
        }
        if let Ok(address) = server.listener.local_addr() {
            let seconds = start.elapsed().as_secs_f64();
            info!(%address, seconds, "listening on http://{address}");
        }
        Ok(server)
    }

    /// The way of every request, without the network.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// Serves until `stop` resolves and a little longer, and then lets the requests under way end within the grace
    /// time.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let stopping = CancellationToken::new();
        let stop = async {
            stop.await;
            self.shutting_down.cancel();
            let delay = self.config.shutdown_delay;
            if !delay.is_zero() {
                info!("shutting down in {}: no longer ready", humantime::format_duration(delay));
                tokio::time::sleep(delay).await;
            }
            stopping.cancel();
            info!("shutting down: no new connections, requests under way may end");
            // Subscriptions would never end by themselves. Their clients are told why before they end.
            self.sockets.stop();
            self.catalog.close_feed();
        };
        let patience =
            ConnectionTimeouts { idle: self.config.idle_timeout, shutdown_grace: self.config.shutdown_grace };
        let management = async {
            if let Some((listener, app)) = self.management {
                listener::serve(listener, app, stopping.cancelled(), patience).await;
            }
        };
        tokio::join!(listener::serve(self.listener, self.app, stop, patience), management);
        if tokio::time::timeout(WEBSOCKET_CLOSE_TIMEOUT, self.sockets.closed()).await.is_err() {
            warn!("WebSockets whose clients do not close are cut off");
        }
        // It waits for the collector, if there is one.
        let _ = tokio::task::spawn_blocking(move || self.telemetry.shutdown()).await;
        info!("stopped");
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

/// For sockets to be closed, which begins long before.
const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often things are looked for that need not be kept any longer.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);

/// What is to be done beside the requests. A chore that fails says so where it fails, and is tried again.
fn spawn_background_tasks(catalog: &Catalog, config: &Config) {
    let (feed, chores, age) = (catalog.clone(), catalog.clone(), config.changes_retention);
    tokio::spawn(async move { feed.run_feed().await });
    let mut clock = instrumentation::interval(CLEANUP_INTERVAL.min(config.idempotency_retention).min(age));
    tokio::spawn(async move {
        loop {
            clock.tick().await;
            let _ = chores.prune_idempotency_keys().await;
            let _ = chores.prune_change_log(age).await;
        }
    });
}
