//! Statements that serve several requests: who asked, and what became of it.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use super::Error;
use crate::{panics, spent};

/// Longer than anybody waits for an answer: what hangs on a lost connection must not be shared for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, and how long its statement took.
pub(super) type Served<A> = (Result<A, Error>, Duration);

/// A request that waits.
pub(super) struct Asker<A> {
    sender: oneshot::Sender<Served<A>>,
    /// Its trace and its log lines: the first of several has the statement in them.
    pub span: Span,
}

impl<A> Asker<A> {
    /// The request under way, and where it gets its answer.
    pub fn new() -> (Self, oneshot::Receiver<Served<A>>) {
        let (sender, answer) = oneshot::channel();
        (Self { sender, span: Span::current() }, answer)
    }

    /// Whether it has not been given up.
    pub fn is_there(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Gives it the answer; it may have left meanwhile.
    pub fn answer(self, answer: Result<A, Error>, time: Duration) {
        drop(self.sender.send((answer, time)));
    }

    /// Puts on the request's account what its answer took since it was asked for.
    pub fn answered(
        answer: Result<Served<A>, oneshot::error::RecvError>,
        asked: Instant,
    ) -> Result<A, Error> {
        let (answer, time) = answer.unwrap_or((Err(Error::Unavailable), Duration::ZERO));
        spent::statement(time);
        spent::waiting(asked.elapsed().saturating_sub(time));
        answer
    }
}

/// Runs what serves several requests, in the span of one of them.
pub(super) async fn serve_within<T>(span: Span, serve: impl Future<Output = T>) -> Served<T> {
    let start = Instant::now();
    let serve = tokio::time::timeout(PATIENCE, AssertUnwindSafe(serve).catch_unwind());
    let done = match serve.instrument(span.clone()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(panic)) => Err(span.in_scope(|| panicked(&*panic))),
        Err(_) => Err(Error::Unavailable),
    };
    (done, start.elapsed())
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    tracing::error!(panic = panics::text(panic), "a statement of several requests panicked");
    Error::Internal
}
