//! Natural batching: who asks alone is served at once; who asks while others are being served waits for the next turn, and
//! shares one statement with all that wait. The busier the server, the fewer statements for each request.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use crate::{logging::is_traced, spent};

/// Most questions of one turn.
const MOST: usize = 512;

/// A turn that takes longer is not waited for any more.
const LONG: Duration = Duration::from_millis(10);

/// Serves many questions with one statement.
pub(super) trait Serve<Q, A>: Send + 'static {
    /// The answers, each at its question's place.
    fn serve(&self, questions: Vec<Q>) -> impl Future<Output = Vec<A>> + Send;
}

/// Those who wait to be served together. Cheap to clone.
pub(super) struct Batcher<Q, A>(Arc<Shared<Q, A>>);

struct Shared<Q, A> {
    queue: Mutex<Queue<Q, A>>,
    turns: Turns,
}

/// How many turns there are at a time.
#[derive(Clone, Copy)]
pub(super) struct Turns {
    /// As a rule.
    pub usual: usize,
    /// While the last one takes long: it may wait for a lock or a lost connection, which is nobody else's affair.
    pub most: usize,
}

struct Queue<Q, A> {
    waiting: Vec<Waiting<Q, A>>,
    /// Turns under way, and when the last one began.
    turns: usize,
    last: Instant,
}

struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
    /// The first one of a turn has its statement in his trace.
    span: Span,
}

impl<Q, A> fmt::Debug for Batcher<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batcher")
    }
}

impl<Q, A> Clone for Batcher<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// With so many turns at a time.
    pub fn new(turns: Turns) -> Self {
        let queue = Queue { waiting: Vec::new(), turns: 0, last: Instant::now() };
        Self(Arc::new(Shared { queue: Mutex::new(queue), turns }))
    }

    /// Asks, and waits for the answer. A question is served even if the one who asked leaves. None where serving
    /// panicked.
    pub async fn ask<S: Serve<Q, A>>(&self, question: Q, server: impl FnOnce() -> S) -> Option<A> {
        let start = Instant::now();
        let (sender, answer) = oneshot::channel();
        let span = if is_traced() { Span::current() } else { Span::none() };
        if self.0.join(Waiting { question, answer: sender, span }) {
            tokio::spawn(turns(self.0.clone(), server()));
        }
        let answer = answer.await.ok();
        spent::statement(start.elapsed());
        answer
    }
}

/// Turns, one after the other, as long as somebody waits.
async fn turns<Q, A>(shared: Arc<Shared<Q, A>>, server: impl Serve<Q, A>) {
    loop {
        // Those who are about to ask come along.
        tokio::task::yield_now().await;
        let Some(waiting) = shared.next() else {
            return;
        };
        let span = waiting.first().map_or_else(Span::none, |first| first.span.clone());
        let (questions, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.question, waiting.answer)).unzip();
        let done = AssertUnwindSafe(server.serve(questions)).catch_unwind().instrument(span).await;
        for (answer, of_it) in answers.into_iter().zip(done.unwrap_or_default()) {
            // Some have left meanwhile.
            drop(answer.send(of_it));
        }
    }
}

impl<Q, A> Shared<Q, A> {
    fn queue(&self) -> MutexGuard<'_, Queue<Q, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits with the others; true where turns have to begin for it.
    fn join(&self, waiting: Waiting<Q, A>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push(waiting);
        let Turns { usual, most } = self.turns;
        let begins = queue.turns < usual || queue.turns < most && queue.last.elapsed() > LONG;
        queue.turns += usize::from(begins);
        if begins {
            queue.last = Instant::now();
        }
        begins
    }

    /// Those who have waited longest; where nobody waits, the turns are over.
    fn next(&self) -> Option<Vec<Waiting<Q, A>>> {
        let mut queue = self.queue();
        let count = queue.waiting.len().min(MOST);
        if count == 0 {
            queue.turns -= 1;
            return None;
        }
        queue.last = Instant::now();
        Some(queue.waiting.drain(..count).collect())
    }
}
