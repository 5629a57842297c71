//! A subscriber of the change feed. It first gets the changes that it missed, and then new changes.

use std::collections::VecDeque;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    catalog::Catalog,
    domain::{Change, Error, Event, LogPosition, ProductSelection},
    store::LogRead,
};

/// Maximum number of missed changes read by one query, and held in memory for each returning subscriber.
const BACKLOG_PAGE_SIZE: u32 = 100;

/// A subscriber and its position in the feed.
pub(in crate::catalog) struct Subscriber {
    catalog: Catalog,
    /// Missed changes up to `live_from`; `None` if there are no more to deliver.
    backlog: Option<Backlog>,
    receiver: broadcast::Receiver<Event>,
    /// Position after which the receiver gets all changes.
    live_from: LogPosition,
    /// Position up to which changes were delivered or belong to the backlog.
    delivered_up_to: LogPosition,
}

/// Changes that a returning subscriber missed. They are read from the log in pages.
struct Backlog {
    after: LogPosition,
    changes: VecDeque<Change>,
}

impl Subscriber {
    /// Creates a subscriber that gets changes after `live_from` through the receiver. Changes between
    /// `after` and `live_from` are read from the log.
    pub fn new(
        catalog: Catalog,
        receiver: broadcast::Receiver<Event>,
        live_from: LogPosition,
        after: Option<LogPosition>,
    ) -> Self {
        Self {
            catalog,
            backlog: after.map(|after| Backlog { after, changes: VecDeque::new() }),
            receiver,
            live_from,
            delivered_up_to: after.filter(|after| *after > live_from).unwrap_or(live_from),
        }
    }

    /// Returns the events of the selected products. The stream ends after an error, or if the feed is closed.
    pub fn events(
        self,
        selection: ProductSelection,
    ) -> impl Stream<Item = Result<Event, Error>> + Send + use<> {
        let events = stream::unfold(Some(self), |subscriber| async { subscriber?.next().await });
        events.fuse().filter(move |event| std::future::ready(selection.includes(event)))
    }

    /// Returns the next event and the subscriber, or an error without the subscriber. Returns `None` if the
    /// feed is closed.
    async fn next(mut self) -> Option<(Result<Event, Error>, Option<Self>)> {
        while let Some(backlog) = &mut self.backlog {
            if let Some(change) = backlog.changes.pop_front() {
                return Some((Ok(Event::Change(change)), Some(self)));
            }
            match self.catalog.store().changes_after(backlog.after, BACKLOG_PAGE_SIZE).await {
                Ok(LogRead::Changes { changes, last, is_complete }) => {
                    backlog.after = last;
                    let missed = changes.into_iter().filter(|change| change.position <= self.live_from);
                    backlog.changes.extend(missed);
                    if backlog.changes.is_empty() && (is_complete || last >= self.live_from) {
                        self.backlog = None;
                    }
                }
                Ok(LogRead::Expired) => {
                    // The position of the client is not in this log, so it cannot be compared with others.
                    (self.backlog, self.delivered_up_to) = (None, self.live_from);
                    return Some((Ok(Event::Resync(self.live_from)), Some(self)));
                }
                Err(error) => return Some((Err(error.into()), None)),
            }
        }
        loop {
            match self.receiver.recv().await {
                Ok(Event::Change(change)) if change.position <= self.delivered_up_to => {}
                Ok(event) => {
                    if let Event::Resync(_) = event {
                        self.catalog.record_written();
                    }
                    return Some((Ok(event), Some(self)));
                }
                Err(RecvError::Lagged(_)) => return Some((Err(Error::TooSlow), None)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
