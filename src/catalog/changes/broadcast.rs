//! The way from the feed to its subscribers. It takes 2 MB, so there is none as long as nobody wants to be told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::feed::{Event, MOST};

/// How many events wait for the slowest subscriber; more than one time [`MOST`], so that no reading of ours alone
/// overruns those who are up to date.
const WAITING: usize = 16_384;
const _: () = assert!(WAITING > MOST);

#[derive(Debug, Default)]
pub(in crate::catalog) struct Channel(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Open(broadcast::Sender<Event>),
    /// For ever.
    Closed,
}

impl Channel {
    /// To those who are subscribed, if there are any; else there is no channel afterwards: who asks keeps others
    /// from subscribing meanwhile.
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

    /// For one more subscriber; none once the channel is closed.
    pub fn sender_for_another(&self) -> Option<broadcast::Sender<Event>> {
        let mut state = self.state();
        match &*state {
            State::Open(sender) => Some(sender.clone()),
            State::None => {
                let sender = broadcast::Sender::new(WAITING);
                *state = State::Open(sender.clone());
                Some(sender)
            }
            State::Closed => None,
        }
    }

    /// How many subscribers there are.
    pub fn receivers(&self) -> usize {
        match &*self.state() {
            State::Open(sender) => sender.receiver_count(),
            State::None | State::Closed => 0,
        }
    }

    /// Ends all subscriptions; there can be no new ones.
    pub fn close(&self) {
        *self.state() = State::Closed;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
