//! Units of work for the writer thread.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Instant,
};

use rusqlite::{Connection, Result};
use tokio::sync::oneshot;

use super::{
    change_log::TriggerSwitch,
    reply::Reply,
    write_transaction::{self, WriteTransaction},
};
use crate::store::StoreError;

/// Work of one caller.
pub(super) trait Work: Send {
    /// Returns whether the caller still waits. Work that has not begun is skipped if it does not.
    fn is_awaited(&self) -> bool;

    /// Runs the work. Returns the result, which is sent when the transaction has ended.
    fn run(
        self: Box<Self>,
        connection: &Connection,
        triggers: &mut TriggerSwitch,
        alone: bool,
    ) -> Box<dyn Finished>;

    /// Sends an error without running the work.
    fn fail(self: Box<Self>, error: StoreError);
}

/// Result of work that waits for the end of its transaction.
pub(super) trait Finished {
    fn end(&self) -> End;

    /// Sends the result. `commit` is the error of the transaction, if it failed.
    fn send(self: Box<Self>, commit: Option<&StoreError>);
}

/// How work has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    /// The work failed and has no effect.
    Failed,
    /// The work panicked or the connection failed, so the whole transaction has to be rolled back.
    Broken,
}

/// Returns a unit of work that sends its result to the sender.
pub(super) fn work<T: Send + 'static>(
    work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T> + Send + 'static,
    sender: oneshot::Sender<Reply<T>>,
) -> Box<dyn Work> {
    Box::new(WorkWithReply { work, sender })
}

struct WorkWithReply<T, F> {
    work: F,
    sender: oneshot::Sender<Reply<T>>,
}

struct FinishedWithReply<T> {
    result: thread::Result<Result<T>>,
    began: Instant,
    sender: oneshot::Sender<Reply<T>>,
}

impl<T: Send + 'static, F> Work for WorkWithReply<T, F>
where
    F: FnOnce(&mut WriteTransaction<'_>) -> Result<T> + Send,
{
    fn is_awaited(&self) -> bool {
        !self.sender.is_closed()
    }

    fn run(
        self: Box<Self>,
        connection: &Connection,
        triggers: &mut TriggerSwitch,
        alone: bool,
    ) -> Box<dyn Finished> {
        let Self { work, sender } = *self;
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            if alone {
                write_transaction::run(connection, triggers, work)
            } else {
                write_transaction::run_in_savepoint(connection, triggers, work)
            }
        }));
        Box::new(FinishedWithReply { result, began, sender })
    }

    fn fail(self: Box<Self>, error: StoreError) {
        drop(self.sender.send((Ok(Err(error)), Instant::now())));
    }
}

impl<T> Finished for FinishedWithReply<T> {
    fn end(&self) -> End {
        match &self.result {
            Ok(Ok(_)) => End::Succeeded,
            Ok(Err(error)) if write_transaction::is_usable_after(error) => End::Failed,
            Ok(Err(_)) | Err(_) => End::Broken,
        }
    }

    fn send(self: Box<Self>, commit: Option<&StoreError>) {
        let Self { result, began, sender } = *self;
        let result = match (result, commit) {
            (Ok(Ok(_)), Some(error)) => Ok(Err(error.for_other_work())),
            (result, _) => result.map(|result| result.map_err(StoreError::from)),
        };
        drop(sender.send((result, began)));
    }
}
