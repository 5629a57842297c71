//! Per-thread buffer of finished requests, which are recorded in batches. Threads that recorded each request
//! immediately would contend for the locks of the instruments.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
};

/// Number of buffered items after which a shard is recorded.
const SHARD_CAPACITY: usize = 64;

/// One shard per processor.
pub(super) struct ShardedBuffer<T>(Vec<Shard<T>>);

/// Shard of one thread, or of several if there are more threads than processors. Aligned to avoid false
/// sharing.
#[repr(align(128))]
struct Shard<T> {
    /// Requests started minus requests finished on these threads. Negative if requests finish on other
    /// threads than they started on.
    in_flight: AtomicI64,
    finished: Mutex<Vec<T>>,
}

impl<T> ShardedBuffer<T> {
    pub fn new() -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        let shard = |_| Shard {
            in_flight: AtomicI64::new(0),
            finished: Mutex::new(Vec::with_capacity(SHARD_CAPACITY)),
        };
        Self((0..shards).map(shard).collect())
    }

    /// Counts a started request.
    pub fn start(&self) {
        self.current_shard().in_flight.fetch_add(1, Relaxed);
    }

    /// Adds a finished request. If the shard is full, all of its requests are recorded.
    pub fn push(&self, item: T, record: impl FnMut(T)) {
        let shard = self.current_shard();
        shard.in_flight.fetch_sub(1, Relaxed);
        let mut finished = shard.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.push(item);
        if finished.len() >= SHARD_CAPACITY {
            finished.drain(..).for_each(record);
        }
    }

    /// Returns the number of requests in progress. It may be slightly off while requests start or finish.
    pub fn in_flight(&self) -> i64 {
        self.0.iter().map(|shard| shard.in_flight.load(Relaxed)).sum()
    }

    /// Records all buffered requests.
    pub fn flush(&self, mut record: impl FnMut(T)) {
        for shard in &self.0 {
            shard.finished.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(&mut record);
        }
    }

    fn current_shard(&self) -> &Shard<T> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD_NUMBER: Cell<usize> = Cell::new(THREADS.fetch_add(1, Relaxed));
        }
        &self.0[THREAD_NUMBER.get() % self.0.len()]
    }
}
