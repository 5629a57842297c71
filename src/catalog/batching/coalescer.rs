//! Request coalescing: who asks what others are waiting to ask shares one statement with them.
//!
//! A statement that is under way is not shared: it may have begun before a change that the one who asks knows of.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::waiter::{Asker, serve_for};
use crate::catalog::Error;

/// Questions under way, each with those who wait for the next time that it is asked. Cheap to clone.
pub(in crate::catalog) struct Coalescer<Q, A>(Arc<Mutex<Vec<Asked<Q, A>>>>);

struct Asked<Q, A> {
    question: Q,
    waiting: Vec<Asker<A>>,
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
    /// Asks at once, unless the same question is under way: then with all who wait for it, when it is answered. Equal
    /// questions must have equal answers, whoever asks.
    ///
    /// # Errors
    /// Of the answer; [`Error::Internal`] where it panicked, [`Error::Unavailable`] where it took too long.
    pub async fn ask<F>(&self, question: Q, answer: impl Fn(Q) -> F + Send + 'static) -> Result<A, Error>
    where
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let start = Instant::now();
        let (asker, receiver) = Asker::new();
        if let Some(asker) = self.join(&question, asker) {
            tokio::spawn(self.clone().answer(question, vec![asker], answer));
        }
        Asker::answered(receiver.await, start)
    }

    /// Waits with the others, or comes back where the question is not under way.
    fn join(&self, question: &Q, asker: Asker<A>) -> Option<Asker<A>> {
        let mut under_way = self.under_way();
        if let Some(asked) = under_way.iter_mut().find(|asked| asked.question == *question) {
            asked.waiting.push(asker);
            return None;
        }
        under_way.push(Asked { question: question.clone(), waiting: Vec::new() });
        Some(asker)
    }

    /// Answers those who wait, and again those who came meanwhile.
    async fn answer<F>(self, question: Q, mut waiting: Vec<Asker<A>>, answer: impl Fn(Q) -> F)
    where
        F: Future<Output = Result<A, Error>> + Send,
    {
        while let Some(first) = waiting.first() {
            let (served, ran) = serve_for(first.origin.clone(), answer(question.clone())).await;
            let served = served.flatten();
            for asker in waiting {
                asker.answer(served.clone(), ran);
            }
            waiting = self.next(&question);
        }
    }

    /// Those who came meanwhile and are still there; where nobody is, the question is under way no longer.
    fn next(&self, question: &Q) -> Vec<Asker<A>> {
        let mut under_way = self.under_way();
        let Some(place) = under_way.iter().position(|asked| asked.question == *question) else {
            return Vec::new();
        };
        under_way[place].waiting.retain(Asker::is_there);
        if under_way[place].waiting.is_empty() {
            under_way.swap_remove(place);
            return Vec::new();
        }
        mem::take(&mut under_way[place].waiting)
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Asked<Q, A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
