//! OpenTelemetry meters and their bridge to Prometheus. Knows no room of the house; is handed what it watches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry::metrics::{Gauge, Meter, MeterProvider};
use opentelemetry_sdk::{error::OTelSdkError, metrics::SdkMeterProvider};
use prometheus::{Registry, TextEncoder};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::MissedTickBehavior;

use crate::background_runtime;

pub mod catalog;
pub mod database;
pub mod graphql;
mod host;
pub mod http;
mod instruments;
mod names;
mod otlp;
mod process;
pub mod routes;
mod runtime;
mod sharded_buffer;
pub mod slow_requests;
pub mod traces;

pub use instruments::HttpMetrics;
pub use otlp::{OtlpError, traces as traces_by_otlp};

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The bridge to Prometheus.
    #[error(transparent)]
    Prometheus(#[from] OTelSdkError),
    /// The way to a collector.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
}

/// The meters of one server, and the registry that Prometheus reads. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    registry: Registry,
    /// Kept alive: its readers stop with it.
    provider: Arc<SdkMeterProvider>,
    scrape_duration: Gauge<f64>,
    scrape_size: Gauge<u64>,
}

impl Telemetry {
    /// Meters that [`api`] exports, and that are pushed as well if the environment names a collector.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn new() -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Scope labels would keep the seed's alerts from matching two metrics with each other.
            .scope_info_enabled(false)
            .build()?;
        let mut provider = SdkMeterProvider::builder().with_reader(exporter).with_resource(otlp::resource());
        if let Some(push) = otlp::metrics()? {
            provider = provider.with_reader(push);
        }
        let provider = provider.build();
        let meter = provider.meter(env!("CARGO_PKG_NAME"));
        let version = [opentelemetry::KeyValue::new("version", env!("CARGO_PKG_VERSION"))];
        gauge(&meter, names::BUILD_INFO, "", "1, with the version as a label").record(1, &version);
        Ok(Self {
            registry,
            provider: Arc::new(provider),
            scrape_duration: meter
                .f64_gauge(names::METRICS_SCRAPE_DURATION)
                .with_unit("s")
                .with_description("How long the scrape before took to render")
                .build(),
            scrape_size: gauge(
                &meter,
                names::METRICS_SCRAPE_SIZE,
                "By",
                "How large the scrape before was, uncompressed",
            ),
        })
    }

    /// Renders all metrics in Prometheus' text format.
    ///
    /// # Errors
    /// A metric is inconsistent, which Prometheus' library finds only here.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let start = Instant::now();
        let text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        self.scrape_duration.record(start.elapsed().as_secs_f64(), &[]);
        self.scrape_size.record(text.len() as u64, &[]);
        Ok(text)
    }

    /// Pushes what has not been pushed yet, where metrics are pushed at all. May take seconds.
    pub fn shutdown(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last metrics could not be pushed");
        }
    }

    /// The one meter: two scopes would be two sets of series.
    pub fn meter(&self) -> Meter {
        self.provider.meter(env!("CARGO_PKG_NAME"))
    }

    /// Collects the system metrics now, and then again and again in the background.
    ///
    /// # Errors
    /// The system does not tell about its processes.
    pub fn spawn_system_metrics(&self, every: Duration) -> Result<(), sysinfo::Error> {
        let meter = self.meter();
        let pid = sysinfo::get_current_pid()?;
        let mut system = System::new()?;
        refresh(&mut system, pid);
        let Some(own) = system.process(pid) else {
            tracing::warn!("the system does not list this process: no system metrics");
            return Ok(());
        };
        let process = process::ProcessMetrics::new(&meter, own);
        let host = host::HostMetrics::new(&meter);
        let runtime = runtime::RuntimeMetrics::new(&meter);
        let mut collect = move || {
            refresh(&mut system, pid);
            if let Some(own) = system.process(pid) {
                process.collect(own);
                host.collect(&system, own);
            }
            runtime.collect();
        };
        collect();
        background_runtime::spawn_detached(async move {
            let mut clock = tokio::time::interval(every);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            clock.tick().await;
            loop {
                clock.tick().await;
                collect();
            }
        });
        Ok(())
    }
}

/// A gauge of whole numbers.
fn gauge(meter: &Meter, name: &'static str, unit: &'static str, description: &'static str) -> Gauge<u64> {
    meter.u64_gauge(name).with_unit(unit).with_description(description).build()
}

fn refresh(system: &mut System, pid: Pid) {
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let own = ProcessesToUpdate::Some(&[pid]);
    system.refresh_processes_specifics(own, false, ProcessRefreshKind::nothing().with_memory());
}
