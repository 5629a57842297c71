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

use crate::spans::{REQUESTS, is_traced};

tokio::task_local! {
    static CURRENT: Option<Current>;
}

#[derive(Clone)]
struct Current {
    request: Request,
    /// Whether what is spent goes on its account.
    pays: bool,
}

/// A request under way. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Request(Arc<State>);

struct State {
    identity: Identity,
    /// Of its trace.
    span: Span,
    /// Why it has failed; empty as long as it has not.
    code: Mutex<String>,
    account: Account,
}

/// What a request is known by.
pub struct Identity {
    /// Its own, or that of its client.
    pub id: RequestId,
    /// As it was sent.
    pub method: Cow<'static, str>,
    /// Without the query.
    pub path: Box<str>,
    /// Of W3C Trace Context; none where it belongs to no trace.
    pub trace: Option<u128>,
}

impl Identity {
    /// As `traceparent` spells it.
    pub fn trace_id(&self) -> Option<String> {
        self.trace.map(|trace| format!("{trace:032x}"))
    }
}

/// Names a request in every answer, problem and log line.
#[derive(Clone, Debug)]
pub enum RequestId {
    /// Of its client.
    Sent(Box<str>),
    /// Of our own: a random one.
    Made(Uuid),
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(id) => formatter.write_str(id),
            Self::Made(id) => id.fmt(formatter),
        }
    }
}

/// What it has spent on the database.
#[derive(Default)]
struct Account {
    statements: AtomicU64,
    nanoseconds: AtomicU64,
    waiting_nanoseconds: AtomicU64,
}

impl Request {
    /// Begins, in a span of its trace.
    pub fn new(identity: Identity, span: Span) -> Self {
        Self(Arc::new(State { identity, span, code: Mutex::default(), account: Account::default() }))
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
    pub fn waiting_time(&self) -> Duration {
        Duration::from_nanos(self.0.account.waiting_nanoseconds.load(Relaxed))
    }

    fn line_span(&self) -> Span {
        let identity = self.identity();
        let (id, trace_id) = (identity.id.to_string(), identity.trace_id());
        let (id, method, path) = (id.as_str(), &*identity.method, &*identity.path);
        let code = self.0.code.lock().unwrap_or_else(PoisonError::into_inner);
        let code = Some(code.as_str()).filter(|code| !code.is_empty());
        // At the level of error, so that it is there whatever is logged.
        error_span!(target: REQUESTS, parent: None, "request", id, trace_id, method, path, code)
    }
}

/// A span for a line that is being written: of the request under way, unless its trace has one. Most requests have no line, and
/// it takes longer to make a span than to find a product.
pub fn line_span() -> Span {
    if is_traced() {
        return Span::none();
    }
    current().map_or_else(Span::none, |current| current.request.line_span())
}

/// The request under way has failed, for this reason: its lines and its trace say so from here on.
pub fn failed(code: &str) {
    if let Some(Current { request, .. }) = current() {
        request.0.span.record("code", code);
        code.clone_into(&mut request.0.code.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A statement of the request under way took so long.
pub fn charge_statement(time: Duration) {
    charge(|account| {
        account.statements.fetch_add(1, Relaxed);
        account.nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// A statement of the request under way waited so long for a connection.
pub fn charge_waiting(time: Duration) {
    charge(|account| {
        account.waiting_nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// Without a request, as in the background, it is on nobody's account.
fn charge(add: impl FnOnce(&Account)) {
    let _ = CURRENT.try_with(|current| {
        if let Some(Current { request, pays: true }) = current {
            add(&request.0.account);
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
    pub fn shared() -> Self {
        let mut origin = Self::here();
        if let Some(current) = &mut origin.current {
            current.pays = false;
        }
        origin
    }

    /// Does the work for the request that asked for it.
    pub fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        let Self { current, span } = self;
        CURRENT.scope(current, work.instrument(span.unwrap_or_else(Span::none)))
    }
}
