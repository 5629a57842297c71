//! Sets up logging and tracing. Log lines are written to standard error as text or JSON. Spans are sent to a
//! collector if one is configured.
//!
//! A thread writes the lines, so that a full pipe delays no request. If its buffer is full, lines are dropped and
//! counted. The rate of warnings and errors is limited.

use std::{
    io::{self, BufWriter, IsTerminal},
    sync::OnceLock,
};

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer,
    filter::{ParseError, Targets},
    fmt,
    prelude::*,
    registry::LookupSpan,
};

use crate::{
    audit,
    config::{Config, LogFormat},
    telemetry::{http::ACCESS_LOG_TARGET, traces},
    trace_targets::{self, OTEL_TARGET},
};

mod rate_limit;
mod request_fields;

pub use rate_limit::{INTERVAL as SUPPRESSION_INTERVAL, report_suppressed_lines, suppressed_lines};

use rate_limit::RateLimited;
use request_fields::{LineStyle, WithRequestFields};

/// Maximum number of lines that wait to be written.
const MAX_BUFFERED_LINES: usize = 8192;

/// Size in bytes of the buffer before standard error. The writing thread flushes it whenever no line waits, so that
/// busy servers write many lines with one system call.
const BUFFER_SIZE: usize = 64 << 10;

/// Counter of dropped lines; unset before the start.
static DROPPED_LINES: OnceLock<ErrorCounter> = OnceLock::new();

/// Returns the number of lines that were dropped because the buffer was full.
pub fn dropped_lines() -> u64 {
    DROPPED_LINES.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Writes the remaining lines when it is dropped, for at most a second.
pub struct LogGuard(Option<WorkerGuard>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        // If standard error is not read, the library would wait for it.
        if dropped_lines() > 0 {
            std::mem::forget(self.0.take());
        }
    }
}

/// Starts logging for the whole process. Also starts tracing if `traces` is given. Dropping the returned guard
/// writes the remaining lines, for at most a second.
///
/// # Errors
/// Returns a message if the log filter is invalid.
pub fn start(config: &Config, traces: Option<&SdkTracerProvider>) -> Result<LogGuard, String> {
    let filter = parse_filter(&config.log).map_err(|error| format!("--log `{}`: {error}", config.log))?;
    let mut filter = filter.with_target(OTEL_TARGET, LevelFilter::OFF);
    filter = filter.with_target(audit::TARGET, LevelFilter::INFO);
    if !config.access_log {
        filter = filter.with_target(ACCESS_LOG_TARGET, LevelFilter::OFF);
    }
    if config.log == "info" {
        // The library reports each of its ends at this level.
        filter = filter.with_target("opentelemetry_sdk", LevelFilter::WARN);
    }
    let terminal = io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    trace_targets::set_export_enabled(traces.is_some());
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_BUFFERED_LINES)
        .thread_name("log-writer")
        .finish(BufWriter::with_capacity(BUFFER_SIZE, io::stderr()));
    let _ = DROPPED_LINES.set(writer.error_counter());
    let registry = tracing_subscriber::registry();
    match traces {
        // A global filter is evaluated once per callsite, a per-layer filter at every span entry.
        None => registry.with(log_layer(writer, json, terminal)).with(filter).init(),
        Some(provider) => {
            let log_layer = log_layer(writer, json, terminal).with_filter(filter);
            registry.with(log_layer).with(traces::layer(provider)).init();
        }
    }
    Ok(LogGuard(Some(guard)))
}

fn log_layer<S>(writer: NonBlocking, json: bool, terminal: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(writer);
    if json {
        let format = fmt::format().json().flatten_event(true).with_current_span(false).with_span_list(false);
        let format = WithRequestFields { format, style: LineStyle::Json };
        layer.json().event_format(RateLimited(format)).boxed()
    } else {
        let format = fmt::format().with_ansi(terminal);
        let style = LineStyle::Text { ansi: terminal };
        layer.with_ansi(terminal).event_format(RateLimited(WithRequestFields { format, style })).boxed()
    }
}

/// Parses a level, or levels by module. Returns `Targets` instead of an `EnvFilter`, because an `EnvFilter`
/// is evaluated at every span entry.
fn parse_filter(text: &str) -> Result<Targets, String> {
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| part.contains(|c: char| c == '[' || c.is_whitespace())) {
        return Err("must be a level, or levels by module such as warn,stockmeter=debug".to_owned());
    }
    parts.join(",").parse().map_err(|error: ParseError| error.to_string())
}
