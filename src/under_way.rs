//! The request under way: what its log lines and its trace say of it, and what it spends on the database, also in tasks of
//! its own and while its answer is being sent.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::http::{HeaderValue, Method};
use opentelemetry::trace::TraceId;
use tracing::{Instrument, Span, error_span, field};
use uuid::Uuid;

use crate::spans::{REQUESTS, is_traced};

tokio::task_local! {
    static CURRENT: Option<Current>;
}

#[derive(Clone)]
struct Current {
    request: UnderWay,
    /// Whether statements go on its account.
    pays: bool,
}

/// A request under way. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct UnderWay(Arc<Request>);

struct Request {
    identity: Identity,
    /// Of its trace.
    span: Span,
    /// Why it has failed.
    code: OnceLock<Box<str>>,
    account: Account,
}

/// What a request is known by.
pub struct Identity {
    /// Its own, or that of its client.
    pub id: RequestId,
    /// As it was sent.
    pub method: Method,
    /// Without the query. Copied: what refers to a request's head keeps all of its connection's buffer.
    pub path: Box<str>,
    /// None where it belongs to no trace.
    pub trace: Option<TraceId>,
}

/// Names a request in every answer, problem and log line.
#[derive(Clone, Debug)]
pub enum RequestId {
    /// Of its client.
    Sent(HeaderValue),
    /// Of our own: a random one.
    Made(Uuid),
}

impl RequestId {
    /// As a header has it.
    pub fn to_header(&self) -> HeaderValue {
        match self {
            Self::Sent(id) => id.clone(),
            Self::Made(id) => {
                let mut text = Uuid::encode_buffer();
                HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
                    .unwrap_or(HeaderValue::from_static(""))
            }
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(id) => formatter.write_str(id.to_str().unwrap_or_default()),
            Self::Made(id) => id.fmt(formatter),
        }
    }
}

#[derive(Default)]
struct Account {
    statements: AtomicU64,
    nanoseconds: AtomicU64,
    waiting_nanoseconds: AtomicU64,
}

impl UnderWay {
    /// Begins, in a span of its trace.
    pub fn new(identity: Identity, span: Span) -> Self {
        Self(Arc::new(Request { identity, span, code: OnceLock::new(), account: Account::default() }))
    }

    /// Everything in this call is of this request, and on its account.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let current = Current { request: self.clone(), pays: true };
        self.0.span.in_scope(|| CURRENT.sync_scope(Some(current), work))
    }

    /// What it is known by.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The span of its trace; none where no trace is made.
    pub fn span(&self) -> &Span {
        &self.0.span
    }

    /// Statements of the database that have ended.
    pub fn statements(&self) -> u64 {
        self.0.account.statements.load(Relaxed)
    }

    /// Time in statements; those that run beside each other are added up.
    pub fn statement_time(&self) -> Duration {
        Duration::from_nanos(self.0.account.nanoseconds.load(Relaxed))
    }

    /// Time that statements waited for a connection.
    pub fn waiting(&self) -> Duration {
        Duration::from_nanos(self.0.account.waiting_nanoseconds.load(Relaxed))
    }

    /// The span of one of its lines. Most requests have no line, and a span costs more than to find their product.
    fn line(&self) -> Span {
        let Identity { id, method, path, trace } = self.identity();
        let (id, trace_id) = (id.to_string(), trace.map(field::display));
        let (id, method, path) = (id.as_str(), method.as_str(), &**path);
        let code = self.0.code.get().map(|code| &**code);
        // At the level of error, so that it is there whatever is logged.
        error_span!(target: REQUESTS, parent: None, "request", id, trace_id, method, path, code)
    }
}

/// The span of a line that is being written: of the request under way, unless its trace has one.
pub fn line() -> Span {
    if is_traced() {
        return Span::none();
    }
    current().map_or_else(Span::none, |current| current.request.line())
}

/// The request under way has failed, for this reason: its lines and its trace say so from here on.
pub fn failed(code: &str) {
    if let Some(Current { request, .. }) = current()
        && request.0.code.set(code.into()).is_ok()
    {
        request.0.span.record("code", code);
    }
}

/// A statement of the request under way took so long.
pub fn statement(time: Duration) {
    pay(|account| {
        account.statements.fetch_add(1, Relaxed);
        account.nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// A statement of the request under way waited so long for a connection.
pub fn waiting(time: Duration) {
    pay(|account| {
        account.waiting_nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// Without a request, as in the background, it is on nobody's account.
fn pay(pay: impl FnOnce(&Account)) {
    let _ = CURRENT.try_with(|current| {
        if let Some(Current { request, pays: true }) = current {
            pay(&request.0.account);
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
pub struct Origin {
    current: Option<Current>,
    span: Option<Span>,
}

impl Origin {
    /// Of what is being asked for here.
    pub fn here() -> Self {
        Self { current: current(), span: is_traced().then(Span::current) }
    }

    /// For what several requests share: the lines are of this one, but each pays by itself.
    pub fn of_many() -> Self {
        let mut origin = Self::here();
        if let Some(current) = &mut origin.current {
            current.pays = false;
        }
        origin
    }

    /// Everything in this future is of the request that asked for it.
    pub fn of<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        let Self { current, span } = self;
        CURRENT.scope(current, work.instrument(span.unwrap_or_else(Span::none)))
    }
}
