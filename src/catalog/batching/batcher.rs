//! Natural batching: a request that arrives alone is handled immediately. Requests that arrive while a batch
//! runs form the next batch and share a statement. At high load, the server runs fewer statements per
//! request.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

use super::{
    options::{BatchLimit, Grouping, SpawnOn, Workers},
    waiter::{Waiter, run_shared},
};
use crate::domain::{Error, ProductId};

/// Run time after which a batch is slow, because it may be waiting for a lock or a lost connection. If
/// requests are waiting, another worker is started, up to the maximum.
const SLOW_BATCH: Duration = Duration::from_millis(10);

/// Minimum number of waiting requests at which those whose clients have left are removed. A batch that takes
/// long would otherwise keep their memory.
const MIN_CLEANUP: usize = 64;

/// Handler of a batch of requests, usually with one statement.
pub(in crate::catalog) trait BatchHandler<Req, Res>:
    Clone + Send + Sync + 'static
{
    /// Handles the requests and returns the responses in the same order.
    fn handle(&self, requests: Vec<Req>) -> impl Future<Output = Vec<Res>> + Send;
}

/// A queue that forms batches of its requests.
pub(in crate::catalog) struct Batcher<Req, Res>(Arc<Shared<Req, Res>>);

struct Shared<Req, Res> {
    queue: Mutex<Queue<Req, Res>>,
    workers: Workers,
    limit: BatchLimit<Req>,
    grouping: Grouping<Req>,
    spawn_on: SpawnOn,
}

struct Queue<Req, Res> {
    waiting: Vec<(Req, Waiter<Res>)>,
    /// Keys of the running batches.
    running: HashSet<ProductId>,
    /// Number of running workers.
    workers: usize,
    /// Number of waiting requests at which abandoned ones are removed.
    next_cleanup: usize,
}

/// Requests of a batch with their waiters and keys.
struct Batch<Req, Res> {
    requests: Vec<Req>,
    waiters: Vec<Waiter<Res>>,
    keys: Vec<ProductId>,
}

impl<Req: Send + 'static, Res: Send + 'static> Batcher<Req, Res> {
    pub fn new(workers: Workers, limit: BatchLimit<Req>, grouping: Grouping<Req>, spawn_on: SpawnOn) -> Self {
        let queue = Mutex::new(Queue {
            waiting: Vec::new(),
            running: HashSet::new(),
            workers: 0,
            next_cleanup: MIN_CLEANUP,
        });
        Self(Arc::new(Shared { queue, workers, limit, grouping, spawn_on }))
    }

    /// Submits a request and returns its response. Once its batch has started, the request is carried out
    /// even if the caller is dropped.
    ///
    /// # Errors
    /// Returns [`Error::Internal`] if the handler panicked, or [`Error::Unavailable`] if it timed out.
    pub async fn submit<H: BatchHandler<Req, Res>>(
        &self,
        request: Req,
        handler: impl FnOnce() -> H,
    ) -> Result<Res, Error> {
        let enqueued_at = Instant::now();
        let (waiter, receiver) = Waiter::new();
        if self.0.enqueue(request, waiter) {
            self.0.spawn_on.spawn(run_worker(self.0.clone(), handler()));
        }
        Waiter::finish(receiver.await, enqueued_at)
    }
}

/// Handles batches until no request waits. The future is boxed, because a worker can start another worker,
/// which makes the type recursive.
fn run_worker<Req, Res, H>(shared: Arc<Shared<Req, Res>>, handler: H) -> BoxFuture<'static, ()>
where
    Req: Send + 'static,
    Res: Send + 'static,
    H: BatchHandler<Req, Res>,
{
    Box::pin(async move {
        loop {
            // Two yields let more requests join this batch. The first runs tasks that are already woken. The
            // second runs tasks of connections whose data has just arrived.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let Some(Batch { requests, waiters, keys }) = shared.next_batch() else {
                return;
            };
            let context = waiters.first().map(|first| first.context.clone()).unwrap_or_default();
            let mut batch = pin!(run_shared(context, shared.limit.timeout, handler.handle(requests)));
            let (result, timing) = loop {
                match tokio::time::timeout(SLOW_BATCH, &mut batch).await {
                    Ok(result) => break result,
                    Err(_) if shared.try_start_extra_worker() => {
                        shared.spawn_on.spawn(run_worker(shared.clone(), handler.clone()));
                    }
                    Err(_) => {}
                }
            };
            shared.release(&keys);
            match result {
                Ok(responses) => {
                    let completed = waiters.into_iter().zip(responses);
                    completed.for_each(|(waiter, response)| waiter.complete(Ok(response), timing));
                }
                Err(error) => {
                    for waiter in waiters {
                        waiter.complete(Err(error.clone()), timing);
                    }
                }
            }
        }
    })
}

impl<Req, Res> Shared<Req, Res> {
    fn queue(&self) -> MutexGuard<'_, Queue<Req, Res>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enqueues a request. Returns whether the caller must start a worker, and if so, counts that worker.
    fn enqueue(&self, request: Req, waiter: Waiter<Res>) -> bool {
        let mut queue = self.queue();
        if queue.waiting.len() >= queue.next_cleanup {
            queue.waiting.retain(|(_, waiter)| waiter.is_waiting());
            queue.next_cleanup = MIN_CLEANUP.max(2 * queue.waiting.len());
        }
        queue.waiting.push((request, waiter));
        let starts = queue.workers < self.workers.target;
        queue.workers += usize::from(starts);
        starts
    }

    /// Returns whether the caller must start a worker in addition to a slow one, and if so, counts that
    /// worker.
    fn try_start_extra_worker(&self) -> bool {
        let mut queue = self.queue();
        let starts = !queue.waiting.is_empty() && queue.workers < self.workers.max;
        queue.workers += usize::from(starts);
        starts
    }

    /// Returns the oldest waiting requests that may share a batch, up to the weight limit. Returns `None` if
    /// no such request; the worker must end. A worker that ends although requests wait leaves them to the
    /// workers of the running batches, which have the same keys.
    fn next_batch(&self) -> Option<Batch<Req, Res>> {
        let mut queue = self.queue();
        queue.waiting.retain(|(_, waiter)| waiter.is_waiting());
        let Queue { waiting, running, workers, .. } = &mut *queue;
        let is_ready = |request: &Req| self.grouping.key(request).is_none_or(|key| !running.contains(&key));
        let Some(first) = waiting.iter().position(|(request, _)| is_ready(request)) else {
            *workers -= 1;
            return None;
        };
        let only = match self.grouping {
            Grouping::PerKey(key) => Some(key(&waiting[first].0)),
            Grouping::Any | Grouping::Exclusive(_) => None,
        };
        let (mut total, mut is_full) = (0, false);
        let mut fits = |request: &Req| {
            if is_full || !is_ready(request) || (only.is_some() && self.grouping.key(request) != only) {
                return false;
            }
            let weight = (self.limit.weight)(request);
            is_full = total > 0 && total + weight > self.limit.max;
            total += weight;
            !is_full
        };
        let taken: Vec<_> = waiting.extract_if(first.., |(request, _)| fits(request)).collect();
        let (requests, waiters): (Vec<Req>, Vec<Waiter<Res>>) = taken.into_iter().unzip();
        let keys: Vec<ProductId> = requests.iter().filter_map(|request| self.grouping.key(request)).collect();
        running.extend(&keys);
        Some(Batch { requests, waiters, keys })
    }

    /// Allows other batches with these keys.
    fn release(&self, keys: &[ProductId]) {
        if !keys.is_empty() {
            let mut queue = self.queue();
            for key in keys {
                queue.running.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
