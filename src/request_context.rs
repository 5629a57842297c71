//! The request under way: what its log lines and its trace say of it, and what it spends on the database, also in tasks of
//! its own and while its answer is being sent.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tracing::{Instrument, Span, error_span};
use uuid::Uuid;

use crate::trace_targets::{REQUEST_TARGET, export_enabled};

tokio::task_local! {
    static CURRENT: Option<Current>;
}

#[derive(Clone)]
struct Current {
    request: RequestContext,
    /// Whether what is spent goes on its usage.
    records_usage: bool,
}

/// A request under way. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct RequestContext(Arc<Inner>);

struct Inner {
    info: RequestInfo,
    /// Of its trace.
    span: Span,
    /// Why it has failed; empty as long as it has not.
    code: Mutex<String>,
    usage: DatabaseUsage,
}

/// What a request is known by.
pub struct RequestInfo {
    /// Its own, or that of its client.
    pub id: RequestId,
    /// As it was sent.
    pub method: Cow<'static, str>,
    /// Without the query.
    pub path: Box<str>,
    /// Of W3C Trace Context; none where it belongs to no trace.
    pub trace: Option<u128>,
}

impl RequestInfo {
    /// As `traceparent` spells it.
    pub fn trace_id(&self) -> Option<String> {
        self.trace.map(|trace| format!("{trace:032x}"))
    }
}

/// Names a request in every answer, problem and log line.
#[derive(Clone, Debug)]
pub enum RequestId {
    /// Of its client.
    Client(Box<str>),
    /// Of our own: a random one.
    Generated(Uuid),
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => formatter.write_str(id),
            Self::Generated(id) => id.fmt(formatter),
        }
    }
}

/// What it has spent on the database.
#[derive(Default)]
struct DatabaseUsage {
    statements: AtomicU64,
    nanoseconds: AtomicU64,
    waiting_nanoseconds: AtomicU64,
}

impl RequestContext {
    /// Begins, in a span of its trace.
    pub fn new(info: RequestInfo, span: Span) -> Self {
        Self(Arc::new(Inner { info, span, code: Mutex::default(), usage: DatabaseUsage::default() }))
    }

    /// Everything in this call is of this request, and on its usage.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let current = Current { request: self.clone(), records_usage: true };
        self.0.span.in_scope(|| CURRENT.sync_scope(Some(current), work))
    }

    /// What it is known by.
    pub fn info(&self) -> &RequestInfo {
        &self.0.info
    }

    /// The span of its trace; none where no trace is made.
    pub fn span(&self) -> &Span {
        &self.0.span
    }

    /// Statements of the database that have ended.
    pub fn statements(&self) -> u64 {
        self.0.usage.statements.load(Relaxed)
    }

    /// Time in statements; those that run beside each other are added up.
    pub fn statement_time(&self) -> Duration {
        Duration::from_nanos(self.0.usage.nanoseconds.load(Relaxed))
    }

    /// Time that statements waited for a connection.
    pub fn waiting_time(&self) -> Duration {
        Duration::from_nanos(self.0.usage.waiting_nanoseconds.load(Relaxed))
    }

    fn log_span(&self) -> Span {
        let info = self.info();
        let (id, trace_id) = (info.id.to_string(), info.trace_id());
        let (id, method, path) = (id.as_str(), &*info.method, &*info.path);
        let code = self.0.code.lock().unwrap_or_else(PoisonError::into_inner);
        let code = Some(code.as_str()).filter(|code| !code.is_empty());
        // At the level of error, so that it is there whatever is logged.
        error_span!(target: REQUEST_TARGET, parent: None, "request", id, trace_id, method, path, code)
    }
}

/// A span for a line that is being written: of the request under way, unless its trace has one. Most requests have no line, and
/// it takes longer to make a span than to find a product.
pub fn log_span() -> Span {
    if export_enabled() {
        return Span::none();
    }
    current().map_or_else(Span::none, |current| current.request.log_span())
}

/// The request under way has failed, for this reason: its lines and its trace say so from capture on.
pub fn record_error_code(code: &str) {
    if let Some(Current { request, .. }) = current() {
        request.0.span.record("code", code);
        code.clone_into(&mut request.0.code.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A statement of the request under way took so long.
pub fn record_statement(time: Duration) {
    record(|usage| {
        usage.statements.fetch_add(1, Relaxed);
        usage.nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// A statement of the request under way waited so long for a connection.
pub fn record_acquire_wait(time: Duration) {
    record(|usage| {
        usage.waiting_nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// Without a request, as in the background, it is on nobody's usage.
fn record(add: impl FnOnce(&DatabaseUsage)) {
    let _ = CURRENT.try_with(|current| {
        if let Some(Current { request, records_usage: true }) = current {
            add(&request.0.usage);
        }
    });
}

fn current() -> Option<Current> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Where something was asked for: of which request, and at which place of its trace.
#[derive(Clone, Default)]
pub struct ContextSnapshot {
    current: Option<Current>,
    span: Option<Span>,
}

impl ContextSnapshot {
    /// Of what is being asked for capture.
    pub fn capture() -> Self {
        Self { current: current(), span: export_enabled().then(Span::current) }
    }

    /// For what several requests share: the lines are of this one, but each records_usage by itself.
    pub fn capture_shared() -> Self {
        let mut origin = Self::capture();
        if let Some(current) = &mut origin.current {
            current.records_usage = false;
        }
        origin
    }

    /// Does the work for the request that asked for it.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        let Self { current, span } = self;
        CURRENT.scope(current, work.instrument(span.unwrap_or_else(Span::none)))
    }
}
