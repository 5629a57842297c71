//! Trace spans of requests. A request continues the trace of its client (W3C Trace Context), or links to it.

use axum::{
    extract::Request,
    http::{HeaderName, StatusCode, header},
};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{
    Level, Span, Subscriber,
    field::{self, Empty},
    info_span,
};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use super::names;
use crate::{
    request_context::RequestId,
    trace_targets::{OTEL_TARGET, export_enabled},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Returns a layer that exports spans of [`OTEL_TARGET`] to the provider.
pub fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target(OTEL_TARGET, Level::INFO))
}

/// Relation of a request to the trace in its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientTrace {
    /// The request belongs to the client's trace.
    Continued,
    /// The request begins a trace of its own, which has a link to the client's. A client that is not trusted could otherwise
    /// write into the traces of others, and decide what is sampled.
    Linked,
}

/// Returns the span of a request (semantic conventions for HTTP servers) and its trace id. The span belongs
/// to the client's trace if that is continued, otherwise to a new trace.
///
/// If spans are not exported, the span is disabled. In this case, the trace id is that of the continued trace, or `None`
/// without such a trace.
pub fn request_span(
    request: &Request,
    endpoint: Option<&str>,
    id: &RequestId,
    client_trace: ClientTrace,
) -> (Span, Option<TraceId>) {
    let sent = client_context(request);
    let (parent, linked) = match client_trace {
        ClientTrace::Continued => (sent, None),
        ClientTrace::Linked => (None, sent),
    };
    if !export_enabled() {
        return (Span::none(), parent.as_ref().and_then(trace_id));
    }
    let (id, path) = (id.to_string(), request.uri().path());
    let method = super::routes::method_label(request.method());
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let span = info_span!(
        target: OTEL_TARGET,
        "request",
        id = id.as_str(),
        trace_id = Empty,
        method = request.method().as_str(),
        path,
        code = Empty,
        otel.name = format!("{method} {}", endpoint.unwrap_or(names::UNMATCHED)),
        otel.kind = "server",
        otel.status_code = Empty,
    );
    // Fails if the span is not sampled.
    let _ = span.set_parent(parent.unwrap_or_default());
    if let Some(linked) = linked {
        span.add_link(linked.span().span_context().clone());
    }
    span.set_attribute("http.request.method", method);
    span.set_attribute("url.path", path.to_owned());
    for (name, value) in [("http.route", endpoint), ("user_agent.original", user_agent)] {
        if let Some(value) = value {
            span.set_attribute(name, value.to_owned());
        }
    }
    let trace = trace_id(&span.context());
    if let Some(trace) = trace {
        span.record("trace_id", field::display(trace));
    }
    (span, trace)
}

/// Adds the response status to the request's span.
pub fn record_response(status: StatusCode, span: &Span) {
    if export_enabled() {
        span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Returns the trace id, or `None` if it is invalid.
fn trace_id(context: &Context) -> Option<TraceId> {
    let id = context.span().span_context().trace_id();
    (id != TraceId::INVALID).then_some(id)
}

/// Returns the context of the client's span, or `None` if the request has no `traceparent` header.
fn client_context(request: &Request) -> Option<Context> {
    let headers = request.headers();
    headers.get(&TRACEPARENT)?;
    Some(TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers)))
}
