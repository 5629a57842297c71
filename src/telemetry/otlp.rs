//! Pushes traces and metrics to an OpenTelemetry collector (OTLP over HTTP with protobuf), if the environment names one.
//!
//! The variables are OpenTelemetry's own (specification: OTLP exporter, SDK environment variables); the SDK reads the
//! others, like `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` or `OTEL_METRIC_EXPORT_INTERVAL`, by itself.

use std::sync::LazyLock;

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, metrics::PeriodicReader, trace::SdkTracerProvider};

/// What can be pushed.
#[derive(Clone, Copy)]
enum Signal {
    Traces,
    Metrics,
}

/// Why nothing can be pushed, as the environment has it.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A variable asks for what is not there.
    #[error("{name} `{value}`: {rule}")]
    Variable {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What it may be.
        rule: &'static str,
    },
    /// The library refuses the rest.
    #[error("the OTLP exporter: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Who measures: the same for traces and metrics.
pub(super) fn resource() -> Resource {
    static RESOURCE: LazyLock<Resource> = LazyLock::new(|| {
        let given = Resource::builder().build();
        let has = |name, is_given: fn(&str) -> bool| {
            given.get(&Key::from_static_str(name)).is_some_and(|value| is_given(&value.as_str()))
        };
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if !has("service.name", |name| !name.starts_with("unknown_service")) {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        if !has("service.instance.id", |_| true) {
            let id = uuid::Uuid::new_v4().to_string();
            resource = resource.with_attribute(KeyValue::new("service.instance.id", id));
        }
        resource.build()
    });
    RESOURCE.clone()
}

/// Where spans are to go; none unless the environment asks for it.
///
/// # Errors
/// [`OtlpError`].
pub fn traces() -> Result<Option<SdkTracerProvider>, OtlpError> {
    if !Signal::Traces.is_wanted()? {
        return Ok(None);
    }
    let exporter = SpanExporter::builder().with_http().with_protocol(PROTOCOL).build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource());
    Ok(Some(provider.build()))
}

/// What pushes the metrics every so often; none unless the environment asks for it.
pub(super) fn metrics() -> Result<Option<PeriodicReader<MetricExporter>>, OtlpError> {
    if !Signal::Metrics.is_wanted()? {
        return Ok(None);
    }
    let exporter = MetricExporter::builder().with_http().with_protocol(PROTOCOL).build()?;
    Ok(Some(PeriodicReader::builder(exporter).build()))
}

const PROTOCOL: opentelemetry_otlp::Protocol = opentelemetry_otlp::Protocol::HttpBinary;

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    /// A collector is named or asked for, and the SDK is not disabled.
    fn is_wanted(self) -> Result<bool, OtlpError> {
        let signal = self.name();
        let mut wanted = variable("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
            || variable(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some();
        let name = format!("OTEL_{signal}_EXPORTER");
        if let Some(value) = variable(&name) {
            wanted = match (value.as_str(), self) {
                ("otlp", _) => true,
                // That is what /metrics does anyway.
                ("none", _) | ("prometheus", Self::Metrics) => false,
                _ => return Err(OtlpError::Variable { name, value, rule: "must be otlp or none" }),
            };
        }
        if !wanted || variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(false);
        }
        // The signal's own one counts before the one for all.
        let names =
            [format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()];
        let protocol = names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)));
        if let Some((name, value)) = protocol.filter(|(_, value)| value != "http/protobuf") {
            let rule = "must be http/protobuf (by default on port 4318)";
            return Err(OtlpError::Variable { name, value, rule });
        }
        // There is one already where both signals are pushed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(true)
    }
}

/// An empty variable is none, says the specification.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
