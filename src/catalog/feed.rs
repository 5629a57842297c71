//! The changes of products as they happen, for any number of subscribers: one reader of the log for all of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{
    Mutex, Notify,
    broadcast::{self, error::RecvError},
};

use super::{
    Catalog, Error,
    changes::{Change, Place, Read},
};

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A product changed.
    Change(Change),
    /// More happened than can be told: whoever wants to know how things are has to read them again. From this place
    /// on the changes go on.
    Resync(Place),
}

impl Event {
    /// Where it stands in the log.
    pub fn place(&self) -> Place {
        match self {
            Self::Change(change) => change.place,
            Self::Resync(place) => *place,
        }
    }
}

/// Changes read at a time.
const PAGE: u32 = 1000;
/// More than that at once is told as a [`Event::Resync`].
const MOST: usize = 10_000;
/// How many events wait for the slowest subscriber; more than one time [`MOST`], so that no reading of ours alone
/// overruns those who are up to date.
const WAITING: usize = 16_384;
/// Changes of others, if PostgreSQL's notice of them got lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The others need not be woken more often.
const WAKE_EVERY: Duration = Duration::from_millis(20);

/// The feed's state, shared by all clones of a catalog.
#[derive(Clone, Debug)]
pub(super) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something changed, or may have.
    look: Notify,
    /// Something changed here.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// None once the feed is closed.
    sender: Option<broadcast::Sender<Event>>,
    /// Up to where the subscribers have been told; none without subscribers.
    told: Option<Place>,
}

impl Default for Feed {
    fn default() -> Self {
        let state = State { sender: Some(broadcast::Sender::new(WAITING)), told: None };
        Self(Arc::new(Shared { state: Mutex::new(state), look: Notify::new(), changed: Notify::new() }))
    }
}

impl Feed {
    /// To be called after every change.
    pub(super) fn changed(&self) {
        self.0.look.notify_one();
        self.0.changed.notify_one();
    }
}

impl Catalog {
    /// The changes from now on, or those after a place that was told before. A subscriber that takes less than comes
    /// in is let go with [`Error::TooSlow`] before it would cost memory.
    ///
    /// # Errors
    /// [`Error::TooManySubscriptions`], or the database fails.
    pub async fn subscribe(
        &self,
        after: Option<Place>,
    ) -> Result<impl Stream<Item = Result<Event, Error>> + Send + use<>, Error> {
        let (receiver, told) = {
            let mut state = self.feed.0.state.lock().await;
            let sender = state.sender.clone().ok_or(Error::Unavailable)?;
            if sender.receiver_count() >= self.rules.subscriptions {
                return Err(Error::TooManySubscriptions);
            }
            let told = match state.told {
                Some(told) if sender.receiver_count() > 0 => told,
                _ => self.newest_place().await?,
            };
            state.told = Some(told);
            (sender.subscribe(), told)
        };
        let missed = match after {
            Some(after) => self.missed(after, told).await?,
            None => VecDeque::new(),
        };
        let last = after.filter(|after| *after > told).unwrap_or(told);
        Ok(stream::unfold(Some((missed, receiver, last)), next).fuse())
    }

    /// Reads the log for the subscribers, and tells the other copies of the server when there is something in it; for
    /// ever.
    pub async fn run_feed(&self) {
        let name = uuid::Uuid::new_v4().to_string();
        tokio::join!(
            self.tell_subscribers(),
            self.wake_others(&name),
            self.database.on_wake(&name, || self.feed.0.look.notify_one()),
        );
    }

    /// Ends all subscriptions; there can be no new ones.
    pub async fn close_feed(&self) {
        self.feed.0.state.lock().await.sender = None;
    }

    async fn tell_subscribers(&self) {
        loop {
            // What was not noticed is seen a little later.
            let _ = tokio::time::timeout(LOOK_EVERY, self.feed.0.look.notified()).await;
            let mut state = self.feed.0.state.lock().await;
            // A failure has been logged, and the next look tries again.
            let _ = self.tell(&mut state).await;
        }
    }

    async fn tell(&self, state: &mut State) -> Result<(), Error> {
        let sender = state.sender.as_ref().filter(|sender| sender.receiver_count() > 0);
        let (Some(sender), Some(mut told)) = (sender, state.told) else {
            state.told = None;
            return Ok(());
        };
        // Nobody being there any more is no failure.
        let tell = |event| drop(sender.send(event));
        let mut count = 0;
        loop {
            let (changes, last) = match self.changes_after(told, PAGE).await? {
                Read::Changes(changes, last) if count + changes.len() <= MOST => (changes, last),
                Read::Changes(..) | Read::Gone => {
                    let place = self.newest_place().await?;
                    tell(Event::Resync(place));
                    state.told = Some(place);
                    return Ok(());
                }
            };
            count += changes.len();
            changes.into_iter().map(Event::Change).for_each(tell);
            let done = told == last;
            told = last;
            state.told = Some(told);
            if done {
                return Ok(());
            }
        }
    }

    async fn wake_others(&self, name: &str) {
        loop {
            self.feed.0.changed.notified().await;
            if let Err(error) = self.database.wake_others(name).await {
                tracing::debug!(%error, "other copies of the server can't be told");
            }
            tokio::time::sleep(WAKE_EVERY).await;
        }
    }

    /// What stands in the log from one place to another.
    async fn missed(&self, after: Place, told: Place) -> Result<VecDeque<Event>, Error> {
        let (mut missed, mut place) = (VecDeque::new(), after);
        loop {
            let Read::Changes(changes, last) = self.changes_after(place, PAGE).await? else {
                return Ok([Event::Resync(told)].into());
            };
            missed.extend(changes.into_iter().filter(|change| change.place <= told).map(Event::Change));
            if missed.len() > MOST {
                return Ok([Event::Resync(told)].into());
            }
            if last >= told || last == place {
                return Ok(missed);
            }
            place = last;
        }
    }
}

type Subscriber = (VecDeque<Event>, broadcast::Receiver<Event>, Place);

/// The next event, and the subscriber unless it was let go.
async fn next(subscriber: Option<Subscriber>) -> Option<(Result<Event, Error>, Option<Subscriber>)> {
    let (mut missed, mut receiver, last) = subscriber?;
    if let Some(event) = missed.pop_front() {
        return Some((Ok(event), Some((missed, receiver, last))));
    }
    loop {
        match receiver.recv().await {
            Ok(event) if event.place() <= last => {}
            Ok(event) => return Some((Ok(event), Some((missed, receiver, last)))),
            Err(RecvError::Lagged(_)) => return Some((Err(Error::TooSlow), None)),
            Err(RecvError::Closed) => return None,
        }
    }
}
