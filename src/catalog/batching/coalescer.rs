//! Request coalescing: equal requests that wait at the same time share one query.
//!
//! A new request never shares a running query, whose result may lack a change that the client has already
//! received.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::waiter::{Waiter, run_shared};
use crate::domain::Error;

/// Timeout of a query. By default, no client waits longer. It ends queries that hang on a lost connection,
/// which would otherwise block later requests.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Running queries by key, each with the requests that wait for its next run. Cheap to clone.
pub(in crate::catalog) struct Coalescer<K, V>(Arc<Mutex<Vec<Flight<K, V>>>>);

struct Flight<K, V> {
    key: K,
    waiting: Vec<Waiter<V>>,
}

impl<K, V> Clone for Coalescer<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Coalescer<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Coalescer<K, V>
where
    K: Clone + PartialEq + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Runs the query for `key` and returns its result. If the query is already running, waits until it ends
    /// and shares the next run. Equal keys must have equal results for every caller.
    ///
    /// # Errors
    /// Returns the query's error, [`Error::Internal`] if it panicked, or [`Error::Unavailable`] if it timed
    /// out.
    pub async fn get<F>(&self, key: K, query: impl Fn(K) -> F + Send + 'static) -> Result<V, Error>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let enqueued_at = Instant::now();
        let (waiter, receiver) = Waiter::new();
        if let Some(waiter) = self.join_or_register(&key, waiter) {
            tokio::spawn(self.clone().run_flight(key, vec![waiter], query));
        }
        Waiter::finish(receiver.await, enqueued_at)
    }

    /// Adds the waiter to the running flight with this key and returns `None`. If no such flight exists,
    /// registers one and returns the waiter. The caller must run the new flight.
    fn join_or_register(&self, key: &K, waiter: Waiter<V>) -> Option<Waiter<V>> {
        let mut flights = self.flights();
        if let Some(flight) = flights.iter_mut().find(|flight| flight.key == *key) {
            flight.waiting.push(waiter);
            return None;
        }
        flights.push(Flight { key: key.clone(), waiting: Vec::new() });
        Some(waiter)
    }

    /// Runs the query for all waiters. Repeats it for requests that joined during the run.
    async fn run_flight<F>(self, key: K, mut waiters: Vec<Waiter<V>>, query: impl Fn(K) -> F)
    where
        F: Future<Output = Result<V, Error>> + Send,
    {
        while let Some(first) = waiters.first() {
            let (result, timing) = run_shared(first.context.clone(), QUERY_TIMEOUT, query(key.clone())).await;
            let result = result.flatten();
            for waiter in waiters {
                waiter.complete(result.clone(), timing);
            }
            waiters = self.next_waiters(&key);
        }
    }

    /// Returns the requests that still wait for the next run. If no request waits, removes the flight.
    fn next_waiters(&self, key: &K) -> Vec<Waiter<V>> {
        let mut flights = self.flights();
        let Some(index) = flights.iter().position(|flight| flight.key == *key) else {
            return Vec::new();
        };
        flights[index].waiting.retain(Waiter::is_waiting);
        if flights[index].waiting.is_empty() {
            flights.swap_remove(index);
            return Vec::new();
        }
        mem::take(&mut flights[index].waiting)
    }

    fn flights(&self) -> MutexGuard<'_, Vec<Flight<K, V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
