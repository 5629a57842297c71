//! Where lines and spans go: log lines to the standard error, text for people, JSON for machines; spans of the target
//! [`OTEL_TARGET`] to a collector.

use std::io::{self, IsTerminal};

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{ParseError, Targets},
    fmt::{self, FmtContext, FormatEvent, FormatFields, format::Writer},
    prelude::*,
    registry::LookupSpan,
};

use crate::{
    config::{Config, LogFormat},
    request_context,
    telemetry::traces,
    trace_targets::{self, OTEL_TARGET, REQUEST_TARGET},
};

/// Starts logging for the whole process, and tracing if there is where to.
///
/// # Errors
/// The filter is none.
pub fn start(config: &Config, traces: Option<&SdkTracerProvider>) -> Result<(), String> {
    let filter = filter(&config.log).map_err(|error| format!("--log `{}`: {error}", config.log))?;
    // Whatever is logged of a request, it says of which.
    let filter = filter.with_target(OTEL_TARGET, LevelFilter::OFF).with_target(REQUEST_TARGET, Level::ERROR);
    let terminal = io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    trace_targets::set_export_enabled(traces.is_some());
    let registry = tracing_subscriber::registry();
    match traces {
        // A filter for all asks once where a line could come from; one for a layer, at each span that is entered.
        None => registry.with(lines(json, terminal)).with(filter).init(),
        Some(provider) => {
            let lines = lines(json, terminal).with_filter(filter);
            registry.with(lines).with(traces::layer(provider)).init();
        }
    }
    Ok(())
}

fn lines<S>(json: bool, terminal: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if json {
        let lines = fmt::layer().json().flatten_event(true).with_span_list(false);
        lines.with_writer(io::stderr).map_event_format(OfRequest).boxed()
    } else {
        fmt::layer().with_ansi(terminal).with_writer(io::stderr).map_event_format(OfRequest).boxed()
    }
}

/// Writes each line within the span of its request, and of that alone: a library's own spans within say less.
struct OfRequest<F>(F);

impl<S, N, F> FormatEvent<S, N> for OfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        request_context::log_span().in_scope(|| self.0.format_event(ctx, writer, event))
    }
}

/// Levels, for all or by module. Plain targets, not `EnvFilter`, which looks at each span that is entered.
fn filter(text: &str) -> Result<Targets, String> {
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| part.contains(|c: char| c == '[' || c.is_whitespace())) {
        return Err("give a level, or levels by module: warn,stockmeter=debug".to_owned());
    }
    parts.join(",").parse().map_err(|error: ParseError| error.to_string())
}
