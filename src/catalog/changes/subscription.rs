//! One who is told of changes: first what he missed, then what happens, of the products that he follows.

use std::collections::{HashSet, VecDeque};

use entity::InvalidValue;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    feed::Event,
    log::{Change, LogPosition, Read},
};
use crate::catalog::{Catalog, Error, ProductId};

/// Changes read at a time for one that has come back: each of them holds so many.
const PAGE: u32 = 100;

/// The products that a subscriber wants to know of.
#[derive(Clone, Debug)]
pub struct ProductSelection(Option<HashSet<ProductId>>);

impl ProductSelection {
    /// All of them.
    pub const ALL: Self = Self(None);
    const MOST: usize = 1000;

    /// These; `field` is where they were given.
    ///
    /// # Errors
    /// [`Error::Invalid`]: one is no id, or there are more than a thousand.
    pub fn from_ids<'a>(ids: impl Iterator<Item = &'a str>, field: &'static str) -> Result<Self, Error> {
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

/// One who is told.
pub(in crate::catalog) struct Subscriber {
    catalog: Catalog,
    /// As long as there is something that came before he did.
    missed: Option<Missed>,
    receiver: broadcast::Receiver<Event>,
    /// From here on everything comes through the receiver.
    joined: LogPosition,
    /// What stands up to here he knows, or gets as missed.
    last: LogPosition,
}

/// What one who has come back does not know yet, read as he takes it.
struct Missed {
    after: LogPosition,
    read: VecDeque<Change>,
}

impl Subscriber {
    /// One who gets through the `receiver` what is told after `joined`, and reads by himself what stands between there and
    /// the place that he knows.
    pub fn new(
        catalog: Catalog,
        receiver: broadcast::Receiver<Event>,
        joined: LogPosition,
        after: Option<LogPosition>,
    ) -> Self {
        Self {
            catalog,
            missed: after.map(|after| Missed { after, read: VecDeque::new() }),
            receiver,
            joined,
            last: after.filter(|after| *after > joined).unwrap_or(joined),
        }
    }

    /// What he is told, until he is let go.
    pub fn events(
        self,
        followed: ProductSelection,
    ) -> impl Stream<Item = Result<Event, Error>> + Send + use<> {
        let events = stream::unfold(Some(self), |subscriber| async { subscriber?.next().await });
        events.fuse().filter(move |event| std::future::ready(followed.include(event)))
    }

    /// The next event, and the subscriber unless he was let go.
    async fn next(mut self) -> Option<(Result<Event, Error>, Option<Self>)> {
        while let Some(missed) = &mut self.missed {
            if let Some(change) = missed.read.pop_front() {
                return Some((Ok(Event::Change(change)), Some(self)));
            }
            match self.catalog.changes_after(missed.after, PAGE).await {
                Ok(Read::Changes { changes, last, is_all }) => {
                    missed.after = last;
                    missed.read.extend(changes.into_iter().filter(|change| change.position <= self.joined));
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
                Ok(Event::Change(change)) if change.position <= self.last => {}
                Ok(event) => return Some((Ok(event), Some(self))),
                Err(RecvError::Lagged(_)) => return Some((Err(Error::TooSlow), None)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
