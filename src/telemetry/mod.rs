//! OpenTelemetry metrics with a Prometheus exporter, and traces. Callers pass in the values to observe, so
//! that this module depends on no other layer.

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
pub mod limits;
pub mod logging;
mod names;
mod otlp;
mod process;
pub mod routes;
mod runtime;
pub mod slow_requests;
pub mod traces;

pub use instruments::HttpMetrics;
pub use otlp::{OtlpError, otlp_tracer_provider};

/// Failure to set up the metrics.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Error of the Prometheus exporter.
    #[error(transparent)]
    Prometheus(#[from] OTelSdkError),
    /// Error of the OTLP exporter.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
}

/// Metrics of one server. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    registry: Registry,
    /// Kept, because dropping it stops the exporters.
    provider: Arc<SdkMeterProvider>,
    scrape_duration: Gauge<f64>,
    scrape_size: Gauge<u64>,
}

impl Telemetry {
    /// Creates the meter provider. Metrics are exported to Prometheus, and also pushed over OTLP if the
    /// environment enables it.
    ///
    /// # Errors
    /// Returns [`TelemetryError`] if an exporter cannot be created.
    pub fn new() -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Disabled, because scope labels would prevent the joins in the legacy service's alerts.
            .scope_info_enabled(false)
            .build()?;
        let mut provider = SdkMeterProvider::builder().with_reader(exporter).with_resource(otlp::resource());
        if let Some(reader) = otlp::metric_reader()? {
            provider = provider.with_reader(reader);
        }
        let provider = provider.build();
        // Never dropped, because its drop would log errors of its own after a failed start.
        std::mem::forget(provider.clone());
        let meter = provider.meter(env!("CARGO_PKG_NAME"));
        let version = [opentelemetry::KeyValue::new("version", env!("CARGO_PKG_VERSION"))];
        gauge(&meter, names::BUILD_INFO, "", "Always 1, with the version as a label").record(1, &version);
        Ok(Self {
            registry,
            provider: Arc::new(provider),
            scrape_duration: meter
                .f64_gauge(names::METRICS_SCRAPE_DURATION)
                .with_unit("s")
                .with_description("Rendering time of the previous scrape")
                .build(),
            scrape_size: gauge(
                &meter,
                names::METRICS_SCRAPE_SIZE,
                "By",
                "Uncompressed size of the previous scrape",
            ),
        })
    }

    /// Returns all metrics in the Prometheus text format.
    ///
    /// # Errors
    /// Returns an error if a metric is inconsistent, which the library detects only at this point.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let start = Instant::now();
        let text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        self.scrape_duration.record(start.elapsed().as_secs_f64(), &[]);
        self.scrape_size.record(text.len() as u64, &[]);
        Ok(text)
    }

    /// Pushes the remaining metrics if a collector is configured, and stops the exporters. May block for
    /// several seconds.
    pub fn shutdown(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "cannot push the last metrics");
        }
    }

    /// Returns the server's only meter. A second instrumentation scope would create a separate set of series.
    pub fn meter(&self) -> Meter {
        self.provider.meter(env!("CARGO_PKG_NAME"))
    }

    /// Collects the metrics of the process, the host and the runtimes once, then periodically in the
    /// background.
    ///
    /// # Errors
    /// Returns an error if the system provides no information about processes.
    pub fn spawn_system_metrics(&self, interval: Duration) -> Result<(), sysinfo::Error> {
        let meter = self.meter();
        let pid = sysinfo::get_current_pid()?;
        let mut system = System::new()?;
        refresh(&mut system, pid);
        let Some(own_process) = system.process(pid) else {
            tracing::warn!("no system metrics: this process was not found");
            return Ok(());
        };
        let process = process::ProcessMetrics::new(&meter, own_process);
        let host = host::HostMetrics::new(&meter);
        let runtime = runtime::RuntimeMetrics::new(&meter);
        let mut collect = move || {
            refresh(&mut system, pid);
            if let Some(own_process) = system.process(pid) {
                process.collect(own_process);
                host.collect(&system, own_process);
            }
            runtime.collect();
        };
        collect();
        background_runtime::spawn_detached(async move {
            let mut timer = tokio::time::interval(interval);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer.tick().await;
            loop {
                timer.tick().await;
                collect();
            }
        });
        Ok(())
    }
}

/// Builds an integer gauge.
fn gauge(meter: &Meter, name: &'static str, unit: &'static str, description: &'static str) -> Gauge<u64> {
    meter.u64_gauge(name).with_unit(unit).with_description(description).build()
}

fn refresh(system: &mut System, pid: Pid) {
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let processes = ProcessesToUpdate::Some(&[pid]);
    system.refresh_processes_specifics(processes, false, ProcessRefreshKind::nothing().with_memory());
}
