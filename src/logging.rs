//! Where lines and spans go: log lines to the standard error, text for people, JSON for machines; spans of the target
//! [`SPANS`] to a collector.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
};

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{EnvFilter, Layer, fmt, prelude::*};

use crate::{
    config::{Config, LogFormat},
    telemetry::traces,
};

/// The target of the spans that make a trace. They are not for the log, and cost nothing where no collector is.
pub const SPANS: &str = "otel";

/// Not asked by `tracing::enabled!`: that makes filters of several layers lose the next event.
static TRACED: AtomicBool = AtomicBool::new(false);

/// Whether the spans of the target [`SPANS`] go anywhere.
pub fn is_traced() -> bool {
    TRACED.load(Ordering::Relaxed)
}

/// Starts logging for the whole process, and tracing if there is where to.
///
/// # Errors
/// The filter is none.
pub fn start(config: &Config, traces: Option<&SdkTracerProvider>) -> Result<(), String> {
    let fault = |error: &dyn std::fmt::Display| format!("--log `{}`: {error}", config.log);
    let filter = EnvFilter::try_new(&config.log).map_err(|error| fault(&error))?;
    let filter = filter.add_directive(format!("{SPANS}=off").parse().map_err(|error| fault(&error))?);
    let terminal = io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let lines = if json {
        fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(io::stderr).boxed()
    } else {
        fmt::layer().with_ansi(terminal).with_writer(io::stderr).boxed()
    };
    TRACED.store(traces.is_some(), Ordering::Relaxed);
    let traces = traces.map(traces::layer);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).init();
    Ok(())
}
