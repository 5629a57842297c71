//! Limits the rate of warnings and errors, so that no client can fill the log. Some libraries log each
//! connection that they cut off, or each invalid frame.
//!
//! Each log statement in the source has its own limit. Suppressed lines are counted, and reported together.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier, warn};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::request_context;

/// Interval to which the limits apply, and in which suppressed lines are reported.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Maximum number of lines per interval outside of requests. Further lines say nothing new.
const MAX_LINES: u32 = 2;

/// Maximum number of lines per interval within requests. Each names another request.
const MAX_REQUEST_LINES: u32 = 100;

/// Limits of this process.
static LIMITS: LazyLock<RateLimits> = LazyLock::new(RateLimits::default);

/// Returns the number of suppressed lines.
pub fn suppressed_lines() -> u64 {
    LIMITS.suppressed.load(Ordering::Relaxed)
}

/// Logs the number of lines that were suppressed since the last report, if any.
pub fn report_suppressed_lines() {
    let sources = LIMITS.take_suppressed();
    let total: u64 = sources.iter().map(|(_, count)| count).sum();
    if total > 0 {
        let sources: Vec<_> = sources.iter().map(|(source, count)| format!("{source}: {count}")).collect();
        warn!(suppressed = total, sources = sources.join(", "), "similar log lines were suppressed");
    }
}

/// Writes the lines of `format` within the limits.
pub struct RateLimited<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for RateLimited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if LIMITS.admits(event.metadata()) { self.0.format_event(context, writer, event) } else { Ok(()) }
    }
}

#[derive(Default)]
struct RateLimits {
    callsites: Mutex<HashMap<Identifier, Callsite>>,
    suppressed: AtomicU64,
}

/// Lines of one log statement in the source.
struct Callsite {
    /// Module that contains it.
    source: &'static str,
    interval_start: Instant,
    /// Number of lines written in the current interval.
    lines: u32,
    /// Number of suppressed lines that have not been reported.
    suppressed: u64,
}

impl RateLimits {
    /// Returns whether a line may be written. Otherwise, counts it as suppressed.
    fn admits(&self, metadata: &'static Metadata<'static>) -> bool {
        let is_report = metadata.target() == module_path!();
        if *metadata.level() > Level::WARN || is_report {
            return true;
        }
        let max = if request_context::current_request().is_some() { MAX_REQUEST_LINES } else { MAX_LINES };
        let now = Instant::now();
        let mut callsites = self.callsites.lock().unwrap_or_else(PoisonError::into_inner);
        let callsite = callsites.entry(metadata.callsite()).or_insert_with(|| Callsite {
            source: metadata.target(),
            interval_start: now,
            lines: 0,
            suppressed: 0,
        });
        if now.duration_since(callsite.interval_start) >= INTERVAL {
            (callsite.interval_start, callsite.lines) = (now, 0);
        }
        if callsite.lines < max {
            callsite.lines += 1;
            return true;
        }
        callsite.suppressed += 1;
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Returns the modules with suppressed lines and their numbers, which are reset.
    fn take_suppressed(&self) -> Vec<(&'static str, u64)> {
        let mut callsites = self.callsites.lock().unwrap_or_else(PoisonError::into_inner);
        let suppressed = callsites.values_mut().filter(|callsite| callsite.suppressed > 0);
        suppressed.map(|callsite| (callsite.source, std::mem::take(&mut callsite.suppressed))).collect()
    }
}
