//! Request coalescing: who asks what others are waiting to ask shares one statement with them.
//!
//! A statement that is under way is not shared: it may have begun before a change that the one who asks knows of.

use std::{
    fmt, mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use crate::{logging::is_traced, spent};

/// Questions under way, each with those who wait for the next time that it is asked. Cheap to clone.
pub(super) struct Coalescer<Q, A>(Arc<Mutex<Vec<Asked<Q, A>>>>);

struct Asked<Q, A> {
    question: Q,
    waiting: Vec<oneshot::Sender<A>>,
}

impl<Q, A> fmt::Debug for Coalescer<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coalescer")
    }
}

impl<Q, A> Clone for Coalescer<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Default for Coalescer<Q, A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<Q, A> Coalescer<Q, A>
where
    Q: Clone + PartialEq + Send + 'static,
    A: Clone + Send + 'static,
{
    /// Asks at once, unless the same question is under way: then with all who wait for it, when it is answered. None where
    /// answering panicked.
    pub async fn ask<F>(&self, question: Q, answer: impl Fn(Q) -> F + Send + 'static) -> Option<A>
    where
        F: Future<Output = A> + Send + 'static,
    {
        let start = Instant::now();
        let (sender, receiver) = oneshot::channel();
        if let Some(sender) = self.join(&question, sender) {
            let span = if is_traced() { Span::current() } else { Span::none() };
            tokio::spawn(self.clone().answer(question, vec![sender], answer).instrument(span));
        }
        let answer = receiver.await.ok();
        spent::statement(start.elapsed());
        answer
    }

    /// Waits with the others, or gives the sender back where the question is not under way.
    fn join(&self, question: &Q, sender: oneshot::Sender<A>) -> Option<oneshot::Sender<A>> {
        let mut asked = self.asked();
        if let Some(asked) = asked.iter_mut().find(|asked| asked.question == *question) {
            asked.waiting.push(sender);
            return None;
        }
        asked.push(Asked { question: question.clone(), waiting: Vec::new() });
        Some(sender)
    }

    /// Answers those who wait, and again those who came meanwhile.
    async fn answer<F>(self, question: Q, mut waiting: Vec<oneshot::Sender<A>>, answer: impl Fn(Q) -> F)
    where
        F: Future<Output = A> + Send,
    {
        while !waiting.is_empty() {
            let done = AssertUnwindSafe(answer(question.clone())).catch_unwind().await;
            if let Ok(done) = done {
                for sender in waiting {
                    // Some have left meanwhile.
                    drop(sender.send(done.clone()));
                }
            }
            waiting = self.next(&question);
        }
    }

    /// Those who came meanwhile; where nobody did, the question is under way no longer.
    fn next(&self, question: &Q) -> Vec<oneshot::Sender<A>> {
        let mut asked = self.asked();
        let Some(place) = asked.iter().position(|asked| asked.question == *question) else {
            return Vec::new();
        };
        if asked[place].waiting.is_empty() {
            asked.swap_remove(place);
            return Vec::new();
        }
        mem::take(&mut asked[place].waiting)
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked<Q, A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
