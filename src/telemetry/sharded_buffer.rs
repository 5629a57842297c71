//! What requests leave behind on the thread that ended them, until many of them are recorded at once: threads that record
//! each by itself wait for each other at every instrument.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
};

/// So many of a thread are recorded at once, at the latest.
const MOST: usize = 64;

/// The tallies of all threads.
pub(super) struct ShardedBuffer<T>(Vec<Shard<T>>);

/// Of one thread, or of a few if there are more than processors. On a cache line of its own.
#[repr(align(128))]
struct Shard<T> {
    /// Begun here less ended here; a request may end on another thread.
    in_flight: AtomicI64,
    ended: Mutex<Vec<T>>,
}

impl<T> ShardedBuffer<T> {
    /// One for each processor.
    pub fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let tally = |_| Shard { in_flight: AtomicI64::new(0), ended: Mutex::new(Vec::with_capacity(MOST)) };
        Self((0..threads).map(tally).collect())
    }

    /// A request has come.
    pub fn begun(&self) {
        self.own().in_flight.fetch_add(1, Relaxed);
    }

    /// A request has ended; it is recorded sooner or later.
    pub fn ended(&self, request: T, record: impl FnMut(T)) {
        let own = self.own();
        own.in_flight.fetch_sub(1, Relaxed);
        let mut ended = own.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push(request);
        if ended.len() >= MOST {
            ended.drain(..).for_each(record);
        }
    }

    /// Requests that have not ended.
    pub fn in_flight(&self) -> i64 {
        self.0.iter().map(|tally| tally.in_flight.load(Relaxed)).sum()
    }

    /// Records all that have ended.
    pub fn record_all(&self, mut record: impl FnMut(T)) {
        for tally in &self.0 {
            tally.ended.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(&mut record);
        }
    }

    fn own(&self) -> &Shard<T> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: Cell<usize> = Cell::new(THREADS.fetch_add(1, Relaxed));
        }
        &self.0[NUMBER.get() % self.0.len()]
    }
}
