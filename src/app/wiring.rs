//! Builds the applications of both listeners from the modules.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::{
    App, Handlers,
    instrumentation::operation_observer,
    middleware::{Cors, CorsOptions, Middleware},
    openapi,
    routes::{Listener, ROUTES, Route, RouteTable},
};
use crate::{
    access::Access,
    catalog::Catalog,
    config::{Config, OperationNames},
    graphql::{self, GraphqlState, Limits, Service, WebSockets},
    http::{
        allowed_hosts::AllowedHosts,
        limits::{Limit, budget::Budget, request_rate::RequestRate, stored_responses::StoredResponses},
        request_body::{BodyLimits, BodyReader, Permits},
    },
    operations::{
        console,
        health::{self, HealthState},
        index::{self, Index},
        metrics, slow_requests,
    },
    rest::{self, RestState},
    store::Store,
    telemetry::{HttpMetrics, Telemetry, routes::Routes, slow_requests::SlowRequestLog},
};

/// Services that the handlers use.
pub struct Services {
    pub telemetry: Telemetry,
    pub store: Arc<dyn Store>,
    pub catalog: Catalog,
    pub access: Access,
    pub websockets: WebSockets,
    /// Token that is cancelled when the shutdown begins.
    pub shutting_down: CancellationToken,
}

/// Returns the application of the main listener, and the application of the metrics listener if it is
/// configured.
///
/// # Errors
/// Returns an error if two route templates conflict, or if a template has invalid syntax.
pub fn build(services: &Services, config: &Config) -> Result<(App, Option<App>), matchit::InsertError> {
    let body = body_limits(config);
    let permits = Permits::new(config.concurrent_requests);
    let (memory, disk) = (config.limits.body_budget, config.limits.import_space);
    let stored = StoredResponses::new(config.limits.idempotency_space, config.idempotency_retention);
    let body_reader = BodyReader::new(body, memory, disk, permits.clone(), stored);
    let routes =
        Routes::new(ROUTES.iter().map(|route| (route.method, route.template, route.statuses)).collect());
    let slow = SlowRequestLog::new(&routes);
    let http_metrics = HttpMetrics::new(
        &services.telemetry.meter(),
        config.http_duration_buckets.bounds(),
        config.http_size_buckets.bounds(),
        routes,
        slow.clone(),
    );
    let compressions = Budget::with_quarters(Limit::Compressions, config.limits.compressions.into());
    let request_rate = config.limits.request_rate();
    let bodies = body_reader.memory().clone();
    let middleware = |cors, address: SocketAddr| Middleware {
        metrics: http_metrics.clone(),
        permits: permits.requests.clone(),
        compressions: compressions.clone(),
        bodies: bodies.clone(),
        body,
        cors: Cors::new(cors),
        access: services.access.clone(),
        request_rate: request_rate.clone(),
        proxies: config.access.trusted_proxies(),
        hosts: AllowedHosts::new(address.ip(), &config.access.hosts),
    };
    let cors = CorsOptions { origins: &config.cors_origins, headers: &config.cors_headers };

    // The catalog limits the number of all subscriptions.
    let share = (config.subscriptions as u64 / 4).max(1);
    let subscriptions = Budget::new(Limit::Subscriptions, u64::MAX, share);
    let rest = RestState {
        catalog: services.catalog.clone(),
        body_reader: body_reader.clone(),
        subscriptions: subscriptions.clone(),
        lists: Budget::with_quarters(Limit::Lists, config.limits.streamed_lists.into()),
    };
    let permits = permits.requests.clone();
    let graphql = graphql_state(services, config, permits, subscriptions, request_rate.clone(), body_reader);
    let index = Index { links: links(config.access.consoles), console: config.access.consoles };
    let api = Router::from(rest::api().with_state(rest.clone()))
        .merge(Router::from(graphql::api().with_state(graphql.clone())))
        .merge(Router::from(index::api().with_state(index)))
        .merge(openapi::router());
    let api = if config.access.consoles {
        api.merge(console::files()).merge(openapi::reference()).merge(graphql::playground_files())
    } else {
        api
    };
    let health = HealthState { store: services.store.clone(), shutting_down: services.shutting_down.clone() };
    let health = Router::from(health::api().with_state(health));
    let metrics = Router::from(metrics::api().with_state(services.telemetry.clone()))
        .merge(Router::from(slow_requests::api().with_state(slow)));

    let has_metrics_listener = config.metrics_listen.is_some();
    let main =
        served(config.access.consoles, |listener| listener != Listener::Metrics || !has_metrics_listener);
    let main_router = api.merge(health.clone());
    let main_router = if has_metrics_listener { main_router } else { main_router.merge(metrics.clone()) };
    let handlers = Handlers { router: main_router, direct: Some((rest, graphql)) };
    let main = App::new(RouteTable::new(main)?, middleware(cors, config.listen), handlers);
    let Some(metrics_address) = config.metrics_listen else {
        return Ok((main, None));
    };
    let management = served(config.access.consoles, |listener| listener != Listener::Main);
    let handlers = Handlers { router: health.merge(metrics), direct: None };
    let middleware = middleware(CorsOptions::default(), metrics_address);
    Ok((main, Some(App::new(RouteTable::new(management)?, middleware, handlers))))
}

/// Returns the routes of a listener.
fn served(consoles: bool, has: impl Fn(Listener) -> bool) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| has(route.listener) && (consoles || !route.is_console))
}

/// Returns the paths of the index by the names of their links.
fn links(consoles: bool) -> index::Links {
    served(consoles, |_| true).filter_map(|route| Some((route.link?, route.template))).collect()
}

fn graphql_state(
    services: &Services,
    config: &Config,
    permits: Budget,
    subscriptions: Budget,
    request_rate: Option<RequestRate>,
    body: BodyReader,
) -> GraphqlState {
    let names = config.graphql_operation_names.as_ref().map(OperationNames::names).unwrap_or_default();
    let observer = operation_observer(&services.telemetry.meter(), names);
    GraphqlState {
        service: Service::new(
            services.catalog.clone(),
            graphql_limits(config),
            permits,
            subscriptions,
            request_rate,
            observer,
        ),
        sockets: services.websockets.clone(),
        access: services.access.clone(),
        body,
        playground: config.access.consoles,
    }
}

fn body_limits(config: &Config) -> BodyLimits {
    BodyLimits {
        size: config.body_limit,
        time: config.request_timeout,
        import_size: config.import_limit,
        import_time: config.import_timeout,
    }
}

fn graphql_limits(config: &Config) -> Limits {
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
