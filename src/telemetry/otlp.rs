//! Pushes traces and metrics to an OpenTelemetry collector (OTLP over HTTP with protobuf), if the environment
//! configures one.
//!
//! The environment variables are OpenTelemetry's (specification: OTLP exporter, SDK environment variables).
//! The SDK itself reads further variables, such as `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and
//! `OTEL_METRIC_EXPORT_INTERVAL`.

use std::sync::LazyLock;

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, metrics::PeriodicReader, trace::SdkTracerProvider};

#[derive(Clone, Copy)]
enum Signal {
    Traces,
    Metrics,
}

/// Invalid configuration of the OTLP exporter.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// Unsupported value of an environment variable.
    #[error("{name} `{value}`: {rule}")]
    Variable {
        name: String,
        value: String,
        /// Requirement that the value does not meet.
        rule: &'static str,
    },
    /// Error of the OpenTelemetry library.
    #[error("cannot create the OTLP exporter: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Returns the resource that identifies this instance in traces and metrics.
pub(super) fn resource() -> Resource {
    static RESOURCE: LazyLock<Resource> = LazyLock::new(|| {
        let configured = Resource::builder().build();
        let has = |name, is_valid: fn(&str) -> bool| {
            configured.get(&Key::from_static_str(name)).is_some_and(|value| is_valid(&value.as_str()))
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

/// Returns the provider that exports spans, or `None` if the environment does not enable the export.
///
/// # Errors
/// Returns [`OtlpError`] if the environment variables are invalid.
pub fn otlp_tracer_provider() -> Result<Option<SdkTracerProvider>, OtlpError> {
    if !Signal::Traces.is_enabled()? {
        return Ok(None);
    }
    check_sampler()?;
    let exporter = SpanExporter::builder().with_http().with_protocol(PROTOCOL).build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource());
    Ok(Some(provider.build()))
}

/// Returns the reader that pushes metrics periodically, or `None` if the environment does not enable the
/// export.
pub(super) fn metric_reader() -> Result<Option<PeriodicReader<MetricExporter>>, OtlpError> {
    if !Signal::Metrics.is_enabled()? {
        return Ok(None);
    }
    let exporter = MetricExporter::builder().with_http().with_protocol(PROTOCOL).build()?;
    Ok(Some(PeriodicReader::builder(exporter).build()))
}

const PROTOCOL: opentelemetry_otlp::Protocol = opentelemetry_otlp::Protocol::HttpBinary;

/// Samplers that the SDK knows.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    /// Returns whether this signal is exported: an endpoint or the OTLP exporter is configured, and the SDK
    /// is not disabled.
    fn is_enabled(self) -> Result<bool, OtlpError> {
        let signal = self.name();
        let mut enabled = env_var("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
            || env_var(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some();
        let name = format!("OTEL_{signal}_EXPORTER");
        if let Some(value) = env_var(&name) {
            enabled = match (value.as_str(), self) {
                ("otlp", _) => true,
                // `/metrics` is always available, so `prometheus` needs no exporter.
                ("none", _) | ("prometheus", Self::Metrics) => false,
                _ => return Err(OtlpError::Variable { name, value, rule: "must be otlp or none" }),
            };
        }
        if !enabled || env_var("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(false);
        }
        // The variable of the signal takes precedence over the general one.
        let names =
            [format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()];
        let protocol = names.into_iter().find_map(|name| env_var(&name).map(|value| (name, value)));
        if let Some((name, value)) = protocol.filter(|(_, value)| value != "http/protobuf") {
            let rule = "must be http/protobuf (by default on port 4318)";
            return Err(OtlpError::Variable { name, value, rule });
        }
        // The error is ignored, because it only means that the other signal has already installed a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(true)
    }
}

/// Checks the name of the sampler. The SDK would replace an unknown one by its default without a word.
fn check_sampler() -> Result<(), OtlpError> {
    let name = "OTEL_TRACES_SAMPLER";
    match env_var(name) {
        Some(value) if !SAMPLERS.contains(&value.as_str()) => {
            let rule = "must be always_on, always_off or traceidratio, also with parentbased_ before it";
            Err(OtlpError::Variable { name: name.to_owned(), value, rule })
        }
        _ => Ok(()),
    }
}

/// Returns a variable, or `None` if it is unset or empty. The specification treats both cases alike.
fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
