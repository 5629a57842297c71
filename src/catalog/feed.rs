//! The changes of products as they happen, for any number of subscribers: one reader of the log for all of them.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
    time::Duration,
};

use entity::InvalidValue;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{
    Mutex, Notify,
    broadcast::{self, error::RecvError},
};

use super::{
    Catalog, Error, ProductId,
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

/// The products that a subscriber wants to know of.
#[derive(Clone, Debug)]
pub struct Followed(Option<HashSet<ProductId>>);

impl Followed {
    /// All of them.
    pub const ALL: Self = Self(None);
    const MOST: usize = 1000;

    /// These; `field` is where they were given.
    ///
    /// # Errors
    /// [`Error::Invalid`]: one is no id, or there are more than a thousand.
    pub fn these<'a>(ids: impl Iterator<Item = &'a str>, field: &'static str) -> Result<Self, Error> {
        let id = |text: &str| {
            text.trim().parse().map_err(|fault: InvalidValue| Error::invalid(field, fault.to_string()))
        };
        let ids = ids.take(Self::MOST + 1).map(id).collect::<Result<HashSet<_>, _>>()?;
        if ids.len() > Self::MOST {
            return Err(Error::invalid(field, format!("can be at most {}", Self::MOST)));
        }
        Ok(Self(Some(ids)))
    }

    /// Whether a subscriber is to be told of it; an end is always told.
    fn include(&self, event: &Result<Event, Error>) -> bool {
        match (event, &self.0) {
            (Ok(Event::Change(change)), Some(ids)) => ids.contains(&change.id),
            _ => true,
        }
    }
}

/// Changes read at a time, for all subscribers.
const PAGE: u32 = 1000;
/// And for one that has come back: each of them holds so many.
const PAGE_OF_ONE: u32 = 100;
/// More than that at once is told as a [`Event::Resync`].
const MOST: usize = 10_000;
/// How many events wait for the slowest subscriber; more than one time [`MOST`], so that no reading of ours alone
/// overruns those who are up to date.
const WAITING: usize = 16_384;
/// Changes of others, if PostgreSQL's notice of them got lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The others need not be woken more often.
const WAKE_EVERY: Duration = Duration::from_millis(20);
/// How often a place to begin from is looked for that other transactions leave alone, and the pause between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(30);

/// The feed's state, shared by all clones of a catalog.
#[derive(Clone, Debug)]
pub(super) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    channel: SyncMutex<Channel>,
    /// Up to where the subscribers have been told; none without subscribers.
    told: Mutex<Option<Place>>,
    /// Something changed, or may have.
    look: Notify,
    /// Something changed here.
    changed: Notify,
}

/// The way to the subscribers. It takes 2 MB, so there is none as long as nobody wants to be told.
#[derive(Debug)]
enum Channel {
    None,
    Open(broadcast::Sender<Event>),
    /// For ever.
    Closed,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Shared {
            channel: SyncMutex::new(Channel::None),
            told: Mutex::new(None),
            look: Notify::new(),
            changed: Notify::new(),
        }))
    }
}

impl Feed {
    /// To be called after every change.
    pub(super) fn changed(&self) {
        self.0.look.notify_one();
        self.0.changed.notify_one();
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.0.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To those who are subscribed, if there are any; else there is no channel afterwards, so `told` has to be held: somebody
    /// may be about to subscribe.
    fn sender(&self) -> Option<broadcast::Sender<Event>> {
        let mut channel = self.channel();
        match &*channel {
            Channel::Open(sender) if sender.receiver_count() > 0 => Some(sender.clone()),
            Channel::Open(_) => {
                *channel = Channel::None;
                None
            }
            Channel::None | Channel::Closed => None,
        }
    }

    /// For one more subscriber, who holds `told`; none once the feed is closed.
    fn sender_for_another(&self) -> Option<broadcast::Sender<Event>> {
        let mut channel = self.channel();
        match &*channel {
            Channel::Open(sender) => Some(sender.clone()),
            Channel::None => {
                let sender = broadcast::Sender::new(WAITING);
                *channel = Channel::Open(sender.clone());
                Some(sender)
            }
            Channel::Closed => None,
        }
    }
}

impl Catalog {
    /// The changes of products from now on, or those after a place that was told before. A subscriber that takes less than comes
    /// in is let go with [`Error::TooSlow`] before it would cost memory.
    ///
    /// # Errors
    /// [`Error::TooManySubscriptions`], or the database fails.
    pub async fn subscribe(
        &self,
        followed: Followed,
        after: Option<Place>,
    ) -> Result<impl Stream<Item = Result<Event, Error>> + Send + use<>, Error> {
        let (receiver, told) = self.join_subscribers().await?;
        let subscriber = Subscriber {
            catalog: self.clone(),
            missed: after.map(|after| Missed { after, read: VecDeque::new() }),
            receiver,
            joined: told,
            last: after.filter(|after| *after > told).unwrap_or(told),
        };
        let events = stream::unfold(Some(subscriber), |subscriber| async { subscriber?.next().await });
        Ok(events.fuse().filter(move |event| std::future::ready(followed.include(event))))
    }

    /// A receiver of all that is told from a place on.
    async fn join_subscribers(&self) -> Result<(broadcast::Receiver<Event>, Place), Error> {
        for _ in 0..TRIES {
            let mut told = self.0.feed.0.told.lock().await;
            let sender = self.0.feed.sender_for_another().ok_or(Error::Unavailable)?;
            if sender.receiver_count() >= self.0.rules.subscriptions {
                return Err(Error::TooManySubscriptions);
            }
            if sender.receiver_count() == 0 || told.is_none() {
                *told = self.newest_place().await?;
            }
            if let Some(told) = *told {
                return Ok((sender.subscribe(), told));
            }
            drop(told);
            // There is no place as long as a transaction is under way that began before the log did.
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::Unavailable)
    }

    /// Reads the log for the subscribers, and tells the other copies of the server when there is something in it; for
    /// ever.
    pub async fn run_feed(&self) {
        let name = uuid::Uuid::new_v4().to_string();
        tokio::join!(
            self.tell_subscribers(),
            self.wake_others(&name),
            self.0.database.on_wake(&name, || self.0.feed.0.look.notify_one()),
        );
    }

    /// Ends all subscriptions; there can be no new ones.
    pub fn close_feed(&self) {
        *self.0.feed.channel() = Channel::Closed;
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        match &*self.0.feed.channel() {
            Channel::Open(sender) => sender.receiver_count(),
            Channel::None | Channel::Closed => 0,
        }
    }

    async fn tell_subscribers(&self) {
        loop {
            // What was not noticed is seen a little later.
            let _ = tokio::time::timeout(LOOK_EVERY, self.0.feed.0.look.notified()).await;
            let mut told = self.0.feed.0.told.lock().await;
            // A failure has been logged, and the next look tries again.
            let _ = self.tell(&mut told).await;
        }
    }

    async fn tell(&self, told: &mut Option<Place>) -> Result<(), Error> {
        let (Some(sender), Some(mut place)) = (self.0.feed.sender(), *told) else {
            *told = None;
            return Ok(());
        };
        // Nobody being there any more is no failure.
        let tell = |event| drop(sender.send(event));
        let mut count = 0;
        loop {
            let (changes, last, is_all) = match self.changes_after(place, PAGE).await? {
                Read::Changes { changes, last, is_all } if count + changes.len() <= MOST => {
                    (changes, last, is_all)
                }
                Read::Changes { .. } | Read::Gone => {
                    // Where there is no place to go on from, the next look finds one.
                    if let Some(newest) = self.newest_place().await? {
                        tell(Event::Resync(newest));
                        *told = Some(newest);
                    }
                    return Ok(());
                }
            };
            count += changes.len();
            changes.into_iter().map(Event::Change).for_each(tell);
            place = last;
            *told = Some(place);
            if is_all {
                return Ok(());
            }
        }
    }

    async fn wake_others(&self, name: &str) {
        loop {
            self.0.feed.0.changed.notified().await;
            if let Err(error) = self.0.database.wake_others(name).await {
                tracing::debug!(%error, "other copies of the server can't be told");
            }
            tokio::time::sleep(WAKE_EVERY).await;
        }
    }
}

/// One who is told.
struct Subscriber {
    catalog: Catalog,
    /// As long as there is something that came before he did.
    missed: Option<Missed>,
    receiver: broadcast::Receiver<Event>,
    /// From here on everything comes through the receiver.
    joined: Place,
    /// What stands up to here he knows, or gets as missed.
    last: Place,
}

/// What one who has come back does not know yet, read as he takes it.
struct Missed {
    after: Place,
    read: VecDeque<Change>,
}

impl Subscriber {
    /// The next event, and the subscriber unless he was let go.
    async fn next(mut self) -> Option<(Result<Event, Error>, Option<Self>)> {
        while let Some(missed) = &mut self.missed {
            if let Some(change) = missed.read.pop_front() {
                return Some((Ok(Event::Change(change)), Some(self)));
            }
            match self.catalog.changes_after(missed.after, PAGE_OF_ONE).await {
                Ok(Read::Changes { changes, last, is_all }) => {
                    missed.after = last;
                    missed.read.extend(changes.into_iter().filter(|change| change.place <= self.joined));
                    if missed.read.is_empty() && (is_all || last >= self.joined) {
                        self.missed = None;
                    }
                }
                Ok(Read::Gone) => {
                    // His place is none of this log, so it says nothing of what he knows.
                    (self.missed, self.last) = (None, self.joined);
                    return Some((Ok(Event::Resync(self.joined)), Some(self)));
                }
                Err(error) => return Some((Err(error), None)),
            }
        }
        loop {
            match self.receiver.recv().await {
                Ok(Event::Change(change)) if change.place <= self.last => {}
                Ok(event) => return Some((Ok(event), Some(self))),
                Err(RecvError::Lagged(_)) => return Some((Err(Error::TooSlow), None)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
