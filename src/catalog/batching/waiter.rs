//! Statements that serve several requests: who asked, and what became of it.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::{
    catalog::Error,
    panics,
    request_context::{self, ContextSnapshot},
};

/// Longer than anybody waits for an answer: what hangs on a lost connection must not be shared for ever.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer, and the statement that brought it.
pub(in crate::catalog) type Served<A> = (Result<A, Error>, Ran);

/// When a statement began, and how long it took.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct Ran {
    began: Instant,
    time: Duration,
}

/// A request that waits.
pub(in crate::catalog) struct Asker<A> {
    sender: oneshot::Sender<Served<A>>,
    /// Its trace and its log lines: the first of several has the statement in them.
    pub origin: ContextSnapshot,
}

impl<A> Asker<A> {
    /// The request under way, and where it gets its answer.
    pub fn new() -> (Self, oneshot::Receiver<Served<A>>) {
        let (sender, answer) = oneshot::channel();
        (Self { sender, origin: ContextSnapshot::capture_shared() }, answer)
    }

    /// Whether it has not been given up.
    pub fn is_there(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Gives it the answer; it may have left meanwhile.
    pub fn answer(self, answer: Result<A, Error>, ran: Ran) {
        drop(self.sender.send((answer, ran)));
    }

    /// Puts on the request's account what its answer took since it was asked for.
    pub fn answered(
        answer: Result<Served<A>, oneshot::error::RecvError>,
        asked: Instant,
    ) -> Result<A, Error> {
        let none = |_| (Err(Error::Unavailable), Ran { began: Instant::now(), time: Duration::ZERO });
        let (answer, ran) = answer.unwrap_or_else(none);
        request_context::record_statement(ran.time);
        request_context::record_acquire_wait(ran.began.saturating_duration_since(asked));
        answer
    }
}

/// Runs what serves several requests, in the name of one of them.
pub(in crate::catalog) async fn serve_for<T>(
    origin: ContextSnapshot,
    serve: impl Future<Output = T>,
) -> Served<T> {
    let began = Instant::now();
    let serve = async {
        match tokio::time::timeout(TIMEOUT, AssertUnwindSafe(serve).catch_unwind()).await {
            Ok(done) => done.map_err(|panic| panicked(&*panic)),
            Err(_) => Err(Error::Unavailable),
        }
    };
    let done = origin.scope(serve).await;
    (done, Ran { began, time: began.elapsed() })
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    tracing::error!(panic = panics::panic_message(panic), "a statement of several requests panicked");
    Error::Internal
}
