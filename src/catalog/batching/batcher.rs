//! Natural batching: a request that arrives alone is handled immediately. Requests that arrive while a batch
//! runs form the next batch and share a statement. At high load, the server runs fewer statements per
//! request.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::waiter::{Waiter, run_shared};
use crate::domain::Error;

/// Run time after which a batch is slow, because it may be waiting for a lock or a lost connection. If
/// requests are waiting, another worker is started, up to the maximum.
const SLOW_BATCH: Duration = Duration::from_millis(10);

/// Handler of a batch of requests, usually with one statement.
pub(in crate::catalog) trait BatchHandler<Req, Res>:
    Clone + Send + Sync + 'static
{
    /// Handles the requests and returns the responses in the same order.
    fn handle(&self, requests: Vec<Req>) -> impl Future<Output = Vec<Res>> + Send;
}

/// Number of batches that run at the same time.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct Workers {
    /// Normal number.
    pub target: usize,
    /// Number allowed while some batches are slow.
    pub max: usize,
}

/// Size limit of a batch.
#[derive(Clone, Copy)]
pub(in crate::catalog) struct BatchLimit<Req> {
    /// Weight of one request.
    pub weight: fn(&Req) -> usize,
    /// Maximum total weight of a batch; a single heavier request forms its own batch.
    pub max: usize,
}

/// Runtime on which workers are started.
pub(in crate::catalog) enum SpawnOn {
    /// A fixed runtime. It keeps short batches off the background runtime, even if a task of that runtime
    /// submits them.
    Runtime(Handle),
    /// The runtime of the request that starts the worker.
    Current,
}

impl SpawnOn {
    fn spawn(&self, worker: BoxFuture<'static, ()>) {
        match self {
            Self::Runtime(runtime) => drop(runtime.spawn(worker)),
            Self::Current => drop(tokio::spawn(worker)),
        }
    }
}

/// A queue that forms batches of its requests.
pub(in crate::catalog) struct Batcher<Req, Res>(Arc<Shared<Req, Res>>);

struct Shared<Req, Res> {
    queue: Mutex<Queue<Req, Res>>,
    workers: Workers,
    limit: BatchLimit<Req>,
    spawn_on: SpawnOn,
}

struct Queue<Req, Res> {
    waiting: Vec<(Req, Waiter<Res>)>,
    /// Number of running workers.
    workers: usize,
}

impl<Req: Send + 'static, Res: Send + 'static> Batcher<Req, Res> {
    pub fn new(workers: Workers, limit: BatchLimit<Req>, spawn_on: SpawnOn) -> Self {
        let queue = Mutex::new(Queue { waiting: Vec::new(), workers: 0 });
        Self(Arc::new(Shared { queue, workers, limit, spawn_on }))
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
            let Some(batch) = shared.next_batch() else {
                return;
            };
            let (requests, waiters): (Vec<Req>, Vec<Waiter<Res>>) = batch.into_iter().unzip();
            let context = waiters.first().map(|first| first.context.clone()).unwrap_or_default();
            let mut batch = pin!(run_shared(context, handler.handle(requests)));
            let (result, timing) = loop {
                match tokio::time::timeout(SLOW_BATCH, &mut batch).await {
                    Ok(result) => break result,
                    Err(_) if shared.try_start_extra_worker() => {
                        shared.spawn_on.spawn(run_worker(shared.clone(), handler.clone()));
                    }
                    Err(_) => {}
                }
            };
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

    /// Returns the oldest waiting requests, up to the weight limit. Returns `None` if no request waits; the
    /// worker must end.
    fn next_batch(&self) -> Option<Vec<(Req, Waiter<Res>)>> {
        let mut queue = self.queue();
        queue.waiting.retain(|(_, waiter)| waiter.is_waiting());
        if queue.waiting.is_empty() {
            queue.workers -= 1;
            return None;
        }
        let weights = queue.waiting.iter().map(|(request, _)| (self.limit.weight)(request));
        let totals = weights.scan(0, |total, weight| {
            *total += weight;
            Some(*total)
        });
        let count = totals.take_while(|total| *total <= self.limit.max).count().max(1);
        Some(queue.waiting.drain(..count).collect())
    }
}

#[cfg(test)]
mod tests;
