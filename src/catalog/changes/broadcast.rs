//! Channel from the change feed to its subscribers. It takes 2 MB of memory, so it exists only if there are
//! subscribers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::domain::Event;

/// Maximum number of events that wait for the slowest subscriber.
pub(super) const CAPACITY: usize = 16_384;

#[derive(Debug, Default)]
pub(in crate::catalog) struct Channel(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Open(broadcast::Sender<Event>),
    /// The final state, in which no client can subscribe.
    Closed,
}

impl Channel {
    /// Returns the sender. If the channel has no subscribers, drops it and returns `None`. The caller must
    /// hold the lock of the feed, so that no client subscribes at the same time.
    pub fn sender(&self) -> Option<broadcast::Sender<Event>> {
        let mut state = self.state();
        match &*state {
            State::Open(sender) if sender.receiver_count() > 0 => Some(sender.clone()),
            State::Open(_) => {
                *state = State::None;
                None
            }
            State::None | State::Closed => None,
        }
    }

    /// Returns the sender for a new subscriber, and creates the channel if necessary. Returns `None` if the
    /// channel is closed.
    pub fn open(&self) -> Option<broadcast::Sender<Event>> {
        let mut state = self.state();
        match &*state {
            State::Open(sender) => Some(sender.clone()),
            State::None => {
                let sender = broadcast::Sender::new(CAPACITY);
                *state = State::Open(sender.clone());
                Some(sender)
            }
            State::Closed => None,
        }
    }

    pub fn subscriber_count(&self) -> usize {
        match &*self.state() {
            State::Open(sender) => sender.receiver_count(),
            State::None | State::Closed => 0,
        }
    }

    /// Ends all subscriptions and prevents new ones.
    pub fn close(&self) {
        *self.state() = State::Closed;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
