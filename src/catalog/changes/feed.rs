//! The changes of products as they happen, for any number of subscribers: one reader of the log for all of them.

use std::{sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::sync::{Mutex, Notify, broadcast};

use super::{
    broadcast::Channel,
    log::{Change, LogPosition, Read},
    subscription::{ProductSelection, Subscriber},
};
use crate::catalog::{Catalog, Error};

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A product changed.
    Change(Change),
    /// More happened than can be told: whoever wants to know how things are has to read them again. From this place
    /// on the changes go on.
    Resync(LogPosition),
}

impl Event {
    /// Where it stands in the log.
    pub fn position(&self) -> LogPosition {
        match self {
            Self::Change(change) => change.position,
            Self::Resync(position) => *position,
        }
    }
}

/// Changes read at a time.
const PAGE: u32 = 1000;
/// More than that at once is told as a [`Event::Resync`].
pub(in crate::catalog) const MOST: usize = 10_000;
/// Changes of others, if PostgreSQL's notice of them got lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The others need not be woken more often.
const WAKE_EVERY: Duration = Duration::from_millis(20);
/// How often a place to begin from is looked for that other transactions leave alone, and the pause between.
const MAX_ATTEMPTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(30);

/// The feed's state, shared by all clones of a catalog.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    channel: Channel,
    /// Up to where the subscribers have been told; none without subscribers.
    told: Mutex<Option<LogPosition>>,
    /// Something changed, or may have.
    look: Notify,
    /// Something changed here.
    changed: Notify,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Shared {
            channel: Channel::default(),
            told: Mutex::new(None),
            look: Notify::new(),
            changed: Notify::new(),
        }))
    }
}

impl Feed {
    /// To be called after every change.
    pub(in crate::catalog) fn changed(&self) {
        self.0.look.notify_one();
        self.0.changed.notify_one();
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
        followed: ProductSelection,
        after: Option<LogPosition>,
    ) -> Result<impl Stream<Item = Result<Event, Error>> + Send + use<>, Error> {
        let (receiver, told) = self.join_subscribers().await?;
        Ok(Subscriber::new(self.clone(), receiver, told, after).events(followed))
    }

    /// A receiver of all that is told from a place on.
    async fn join_subscribers(&self) -> Result<(broadcast::Receiver<Event>, LogPosition), Error> {
        for _ in 0..MAX_ATTEMPTS {
            let mut told = self.0.feed.0.told.lock().await;
            let sender = self.0.feed.0.channel.sender_for_another().ok_or(Error::Unavailable)?;
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
            self.notify_peers(&name),
            self.0.database.on_notification(&name, || self.0.feed.0.look.notify_one()),
        );
    }

    /// Ends all subscriptions; there can be no new ones.
    pub fn close_feed(&self) {
        self.0.feed.0.channel.close();
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        self.0.feed.0.channel.receivers()
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

    async fn tell(&self, told: &mut Option<LogPosition>) -> Result<(), Error> {
        let (Some(sender), Some(mut position)) = (self.0.feed.0.channel.sender(), *told) else {
            *told = None;
            return Ok(());
        };
        // Nobody being there any more is no failure.
        let tell = |event| drop(sender.send(event));
        let mut count = 0;
        loop {
            let (changes, last, is_all) = match self.changes_after(position, PAGE).await? {
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
            position = last;
            *told = Some(position);
            if is_all {
                return Ok(());
            }
        }
    }

    async fn notify_peers(&self, name: &str) {
        loop {
            self.0.feed.0.changed.notified().await;
            if let Err(error) = self.0.database.notify_peers(name).await {
                tracing::debug!(%error, "other copies of the server can't be told");
            }
            tokio::time::sleep(WAKE_EVERY).await;
        }
    }
}
