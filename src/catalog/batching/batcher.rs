//! Natural batching: who asks alone is served at once; who asks while others are being served waits for the next turn, and
//! shares one statement with all that wait. The busier the server, the fewer statements for each request.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::waiter::{Asker, serve_for};
use crate::catalog::Error;

/// When a turn takes so long, a further one begins, if there may be one and somebody waits for it: this one may wait for a
/// lock or a lost connection.
const LONG: Duration = Duration::from_millis(10);

/// Serves many questions with one statement.
pub(in crate::catalog) trait Serve<Q, A>: Clone + Send + Sync + 'static {
    /// The answers, each at its question's place.
    fn serve(&self, questions: Vec<Q>) -> impl Future<Output = Vec<A>> + Send;
}

/// How many turns there are at a time.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct Turns {
    /// As a rule.
    pub usual: usize,
    /// While some take long.
    pub most: usize,
}

/// How much there may be to one turn.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct Size<Q> {
    /// Of one question.
    pub of: fn(&Q) -> usize,
    /// Of all of a turn's, unless it is one alone.
    pub most: usize,
}

/// Where turns run.
pub(in crate::catalog) enum RunIn {
    /// In the runtime of requests: short ones, which must not wait for what is done aside, whoever begins them.
    Requests(Handle),
    /// Where the first of those asks who are served.
    Asker,
}

impl RunIn {
    fn spawn(&self, turns: BoxFuture<'static, ()>) {
        match self {
            Self::Requests(runtime) => drop(runtime.spawn(turns)),
            Self::Asker => drop(tokio::spawn(turns)),
        }
    }
}

/// Those who wait to be served together.
pub(in crate::catalog) struct Batcher<Q, A>(Arc<Shared<Q, A>>);

struct Shared<Q, A> {
    queue: Mutex<Queue<Q, A>>,
    turns: Turns,
    size: Size<Q>,
    run_in: RunIn,
}

struct Queue<Q, A> {
    waiting: Vec<(Q, Asker<A>)>,
    /// Turns under way.
    turns: usize,
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// With so many turns at a time, of this size, there.
    pub fn new(turns: Turns, size: Size<Q>, run_in: RunIn) -> Self {
        let queue = Mutex::new(Queue { waiting: Vec::new(), turns: 0 });
        Self(Arc::new(Shared { queue, turns, size, run_in }))
    }

    /// Asks, and waits for the answer. Once its turn has begun, a question has its part in that even if the one who asked
    /// leaves.
    ///
    /// # Errors
    /// [`Error::Internal`] where serving panicked, [`Error::Unavailable`] where it took too long.
    pub async fn ask<S: Serve<Q, A>>(&self, question: Q, server: impl FnOnce() -> S) -> Result<A, Error> {
        let start = Instant::now();
        let (asker, answer) = Asker::new();
        if self.0.join(question, asker) {
            self.0.run_in.spawn(turns(self.0.clone(), server()));
        }
        Asker::answered(answer.await, start)
    }
}

/// Turns, one after the other, as long as somebody waits. Boxed, since further ones begin within.
fn turns<Q, A, S>(shared: Arc<Shared<Q, A>>, server: S) -> BoxFuture<'static, ()>
where
    Q: Send + 'static,
    A: Send + 'static,
    S: Serve<Q, A>,
{
    Box::pin(async move {
        loop {
            // Those who are about to ask come along: who has been woken, and who reads what has just arrived.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let Some(waiting) = shared.next() else {
                return;
            };
            let (questions, askers): (Vec<Q>, Vec<Asker<A>>) = waiting.into_iter().unzip();
            let origin = askers.first().map(|first| first.origin.clone()).unwrap_or_default();
            let mut turn = pin!(serve_for(origin, server.serve(questions)));
            let (done, ran) = loop {
                match tokio::time::timeout(LONG, &mut turn).await {
                    Ok(done) => break done,
                    Err(_) if shared.begin_further() => {
                        shared.run_in.spawn(turns(shared.clone(), server.clone()));
                    }
                    Err(_) => {}
                }
            };
            match done {
                Ok(answers) => {
                    askers.into_iter().zip(answers).for_each(|(asker, answer)| asker.answer(Ok(answer), ran));
                }
                Err(error) => askers.into_iter().for_each(|asker| asker.answer(Err(error.clone()), ran)),
            }
        }
    })
}

impl<Q, A> Shared<Q, A> {
    fn queue(&self) -> MutexGuard<'_, Queue<Q, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits with the others; true where turns have to begin for it.
    fn join(&self, question: Q, asker: Asker<A>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push((question, asker));
        let begins = queue.turns < self.turns.usual;
        queue.turns += usize::from(begins);
        begins
    }

    /// Whether further turns are to begin, for those who have waited long.
    fn begin_further(&self) -> bool {
        let mut queue = self.queue();
        let begins = !queue.waiting.is_empty() && queue.turns < self.turns.most;
        queue.turns += usize::from(begins);
        begins
    }

    /// Those who have waited longest and are still there; where nobody waits, the turns are over.
    fn next(&self) -> Option<Vec<(Q, Asker<A>)>> {
        let mut queue = self.queue();
        queue.waiting.retain(|(_, asker)| asker.is_there());
        if queue.waiting.is_empty() {
            queue.turns -= 1;
            return None;
        }
        let sizes = queue.waiting.iter().map(|(question, _)| (self.size.of)(question));
        let sums = sizes.scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        });
        let count = sums.take_while(|sum| *sum <= self.size.most).count().max(1);
        Some(queue.waiting.drain(..count).collect())
    }
}
