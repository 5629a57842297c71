//! Change feed: one reader of the change log publishes to any number of subscribers.

use std::{sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::sync::{Mutex, Notify, broadcast};

use super::{
    broadcast::{CAPACITY, Channel},
    subscription::Subscriber,
};
use crate::{
    catalog::Catalog,
    domain::{Error, Event, LogPosition, ProductSelection},
    store::LogRead,
};

/// Maximum number of changes read by one query.
const CHANGES_PER_READ: u32 = 1000;
/// Maximum number of rows of the log deleted in one transaction, which bounds the time that other writes wait.
const ROWS_PER_PRUNE: u32 = 1000;
/// Maximum number of changes in one publication. If more are in the log, one [`Event::Resync`] replaces the
/// rest.
const MAX_BACKLOG: usize = 10_000;
// A single publication must not overrun subscribers that are up to date.
const _: () = assert!(CAPACITY > MAX_BACKLOG);
/// Interval at which the log is read even without a notification, because notifications from other instances
/// may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum interval between notifications to other instances.
const NOTIFY_INTERVAL: Duration = Duration::from_millis(20);
/// Maximum number of attempts to find a position that no running transaction can precede.
const MAX_JOIN_ATTEMPTS: usize = 100;
/// Delay between these attempts.
const JOIN_RETRY_DELAY: Duration = Duration::from_millis(30);

/// State of the feed, shared by all clones of a catalog.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    channel: Channel,
    /// Position up to which changes were published; `None` if there are no subscribers.
    published_up_to: Mutex<Option<LogPosition>>,
    /// Signal to the publisher that the log may have new changes.
    wakeup: Notify,
    /// Signal that this instance made a change, so that it notifies the other instances.
    local_change: Notify,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Inner {
            channel: Channel::default(),
            published_up_to: Mutex::new(None),
            wakeup: Notify::new(),
            local_change: Notify::new(),
        }))
    }
}

impl Feed {
    /// Wakes the publisher and notifies other instances. Must be called after every committed change.
    pub(in crate::catalog) fn notify_changed(&self) {
        self.0.wakeup.notify_one();
        self.0.local_change.notify_one();
    }
}

impl Catalog {
    /// Returns the events of the selected products: new ones, or all after a position received earlier. The
    /// stream ends with [`Error::TooSlow`] if the client reads too slowly, which bounds the memory for
    /// events.
    ///
    /// # Errors
    /// Returns [`Error::TooManySubscriptions`], [`Error::Unavailable`] if the feed is closed or no position
    /// is available, or a database error.
    pub async fn subscribe(
        &self,
        selection: ProductSelection,
        after: Option<LogPosition>,
    ) -> Result<impl Stream<Item = Result<Event, Error>> + Send + use<>, Error> {
        let (receiver, live_from) = self.join_subscribers().await?;
        // Products that the client reads from now on must not be older than the first event.
        self.record_current_position().await?;
        Ok(Subscriber::new(self.clone(), receiver, live_from, after).events(selection))
    }

    /// Returns a receiver and the position after which it gets all changes.
    async fn join_subscribers(&self) -> Result<(broadcast::Receiver<Event>, LogPosition), Error> {
        for _ in 0..MAX_JOIN_ATTEMPTS {
            let mut published_up_to = self.inner.feed.0.published_up_to.lock().await;
            let sender = self.inner.feed.0.channel.open().ok_or(Error::Unavailable)?;
            if sender.receiver_count() >= self.inner.options.max_subscriptions {
                return Err(Error::TooManySubscriptions);
            }
            if sender.receiver_count() == 0 || published_up_to.is_none() {
                *published_up_to = self.store().newest_position().await?;
            }
            if let Some(position) = *published_up_to {
                return Ok((sender.subscribe(), position));
            }
            drop(published_up_to);
            // While a transaction that is older than every row of the log is running, its changes can still precede
            // any position.
            tokio::time::sleep(JOIN_RETRY_DELAY).await;
        }
        Err(Error::Unavailable)
    }

    /// Returns the age of the oldest change that cannot be published yet. It waits for older PostgreSQL
    /// transactions to end. Returns zero if no change is waiting.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn change_lag(&self) -> Result<Duration, Error> {
        Ok(self.store().change_lag().await?)
    }

    /// Deletes changes older than `max_age`. Keeps the newest, because a client's cursor may refer to it.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn prune_change_log(&self, max_age: Duration) -> Result<(), Error> {
        loop {
            let deleted = self.store().prune_change_log(max_age, ROWS_PER_PRUNE).await?;
            if deleted < u64::from(ROWS_PER_PRUNE) {
                return Ok(());
            }
        }
    }

    /// Publishes changes to the subscribers and notifies other instances of local changes. Never returns.
    pub async fn run_feed(&self) {
        let name = uuid::Uuid::new_v4().to_string();
        let wake = || self.inner.feed.0.wakeup.notify_one();
        tokio::join!(
            self.run_publisher(),
            self.notify_peers(&name),
            self.store().on_notification(&name, &wake),
        );
    }

    /// Ends all subscriptions and prevents new ones.
    pub fn close_feed(&self) {
        self.inner.feed.0.channel.close();
    }

    /// Returns the number of open subscriptions.
    pub fn subscriber_count(&self) -> usize {
        self.inner.feed.0.channel.subscriber_count()
    }

    async fn run_publisher(&self) {
        loop {
            let _ = tokio::time::timeout(POLL_INTERVAL, self.inner.feed.0.wakeup.notified()).await;
            let mut published_up_to = self.inner.feed.0.published_up_to.lock().await;
            // The error has been logged. The next iteration retries.
            let _ = self.publish(&mut published_up_to).await;
        }
    }

    /// Publishes all new changes. Publishes a resync event if there are too many, or if the log no longer
    /// contains them all.
    async fn publish(&self, published_up_to: &mut Option<LogPosition>) -> Result<(), Error> {
        let (Some(sender), Some(mut position)) = (self.inner.feed.0.channel.sender(), *published_up_to)
        else {
            *published_up_to = None;
            return Ok(());
        };
        // Sending fails only if the last subscriber has left, which is not an error.
        let send = |event| drop(sender.send(event));
        let mut count = 0;
        loop {
            let (changes, last, is_complete) =
                match self.store().changes_after(position, CHANGES_PER_READ).await? {
                    LogRead::Changes { changes, last, is_complete }
                        if count + changes.len() <= MAX_BACKLOG =>
                    {
                        (changes, last, is_complete)
                    }
                    LogRead::Changes { .. } | LogRead::Expired => {
                        // If a running transaction can still precede every row, the next call retries.
                        if let Some(newest) = self.store().newest_position().await? {
                            // Subscribers are going to read products, which must not be older than the event.
                            self.store().update_written_position().await?;
                            send(Event::Resync(newest));
                            *published_up_to = Some(newest);
                        }
                        return Ok(());
                    }
                };
            count += changes.len();
            changes.into_iter().map(Event::Change).for_each(send);
            position = last;
            *published_up_to = Some(position);
            if is_complete {
                return Ok(());
            }
        }
    }

    async fn notify_peers(&self, name: &str) {
        loop {
            self.inner.feed.0.local_change.notified().await;
            if let Err(error) = self.store().notify_peers(name).await {
                tracing::debug!(%error, "failed to notify other instances");
            }
            tokio::time::sleep(NOTIFY_INTERVAL).await;
        }
    }
}
