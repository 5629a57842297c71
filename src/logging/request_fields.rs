//! Adds the fields of the current request to log lines, in the format that tracing-subscriber uses for spans.
//!
//! Requests have no span for logging, because creating a span takes longer than reading a product. Most
//! requests log nothing.

use std::fmt;

use serde::Serialize;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::request_context::{self, RequestContext};

/// Adds the current request's fields to the lines of `format`, which writes no spans.
pub struct WithRequestFields<F> {
    pub format: F,
    pub style: LineStyle,
}

#[derive(Clone, Copy, Debug)]
pub enum LineStyle {
    Json,
    Text { ansi: bool },
}

impl<S, N, F> FormatEvent<S, N> for WithRequestFields<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(request) = request_context::current_request() else {
            return self.format.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        let fields = RequestFields::new(&request);
        match self.style {
            LineStyle::Json => fields.append_json(&mut line).map_err(|_| fmt::Error)?,
            LineStyle::Text { ansi } => fields.insert_text(&mut line, *event.metadata().level(), ansi),
        }
        writer.write_str(&line)
    }
}

/// Fields of a request in its log lines. JSON lines contain the fields in this order.
#[derive(Serialize)]
struct RequestFields<'a> {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    id: String,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    name: &'static str,
}

impl<'a> RequestFields<'a> {
    fn new(request: &'a RequestContext) -> Self {
        let info = request.info();
        Self {
            code: request.error_code(),
            id: info.id.to_string(),
            method: &info.method,
            path: &info.path,
            caller: request.caller().map(|caller| caller.identity().to_string()),
            address: info.address.to_string(),
            trace_id: info.trace_id(),
            name: "request",
        }
    }

    /// Appends the member `span` to the object on the line.
    fn append_json(&self, line: &mut String) -> serde_json::Result<()> {
        line.truncate(line.trim_end().len().saturating_sub("}".len()));
        *line += &format!(",\"span\":{}}}\n", serde_json::to_string(self)?);
        Ok(())
    }

    /// Inserts the fields after the level.
    fn insert_text(&self, line: &mut String, level: Level, ansi: bool) {
        let paint = |code: u8, text: &str| {
            if ansi { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let (bold, dimmed, italic) = (1, 2, 3);
        let fields = [
            ("id", Some(self.id.as_str())),
            ("trace_id", self.trace_id.as_deref()),
            ("method", Some(self.method)),
            ("path", Some(self.path)),
            ("caller", self.caller.as_deref()),
            ("address", Some(self.address.as_str())),
            ("code", self.code.as_deref()),
        ];
        let fields: Vec<_> = fields
            .into_iter()
            .filter_map(|(name, value)| {
                Some(format!("{}{}{:?}", paint(italic, name), paint(dimmed, "="), value?))
            })
            .collect();
        let (name, open, close) = (paint(bold, self.name), paint(bold, "{"), paint(bold, "}"));
        let text = format!("{name}{open}{}{close}{} ", fields.join(" "), paint(dimmed, ":"));
        // The level is the first word after the time, which has no spaces.
        let after_level = line.find(level.as_str()).and_then(|start| {
            let space = line[start..].find(' ')?;
            Some(start + space + 1)
        });
        line.insert_str(after_level.unwrap_or_default(), &text);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
    };

    use tracing::{Span, error, error_span, info};
    use tracing_subscriber::{
        fmt::{self, MakeWriter, format},
        prelude::*,
        registry::Registry,
    };

    use super::*;
    use crate::request_context::{RequestId, RequestInfo, record_error_code};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

    fn request() -> RequestContext {
        let info = RequestInfo {
            id: RequestId::Client("\"a\\b".into()),
            method: "GET".into(),
            path: "/products/\u{1b}".into(),
            address: [203, 0, 113, 7].into(),
            trace: Some(TRACE),
        };
        RequestContext::new(info, Span::none())
    }

    /// Returns the lines that the layer writes, without timestamps.
    fn lines(
        layer: impl FnOnce(Lines) -> Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>,
        log: impl FnOnce(),
    ) -> String {
        let lines = Lines::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(lines.clone())), log);
        String::from_utf8_lossy(&lines.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn log_two_lines() {
        info!(count = 1, "first");
        record_error_code("INTERNAL");
        error!("second");
    }

    /// Logs the same lines within spans that have the request's fields. tracing-subscriber writes these
    /// fields.
    fn log_within_spans() {
        let info = request();
        let (id, trace_id, method, path) =
            (info.info().id.to_string(), info.info().trace_id(), "GET", &*info.info().path);
        let (id, address) = (id.as_str(), "203.0.113.7");
        error_span!("request", id, trace_id, method, path, address).in_scope(|| info!(count = 1, "first"));
        error_span!("request", id, trace_id, method, path, address, code = "INTERNAL")
            .in_scope(|| error!("second"));
    }

    #[test]
    fn json_lines_equal_those_of_a_span() {
        let json = || format().json().flatten_event(true).with_span_list(false).without_time();
        let expected =
            lines(|out| fmt::layer().json().event_format(json()).with_writer(out).boxed(), log_within_spans);
        let style = LineStyle::Json;
        let with_fields = WithRequestFields { format: json().with_current_span(false), style };
        let actual = lines(
            |out| fmt::layer().json().event_format(with_fields).with_writer(out).boxed(),
            || request().in_scope(log_two_lines),
        );
        assert_eq!(actual, expected);
        assert_eq!(actual.lines().count(), 2);
    }

    #[test]
    fn text_lines_equal_those_of_a_span() {
        for ansi in [false, true] {
            let text = || format().without_time().with_ansi(ansi);
            let layer = || fmt::layer().with_ansi(ansi);
            let expected =
                lines(|out| layer().event_format(text()).with_writer(out).boxed(), log_within_spans);
            let with_fields = WithRequestFields { format: text(), style: LineStyle::Text { ansi } };
            let actual = lines(
                |out| layer().event_format(with_fields).with_writer(out).boxed(),
                || request().in_scope(log_two_lines),
            );
            assert_eq!(actual, expected);
            assert_eq!(actual.lines().count(), 2);
        }
    }
}
