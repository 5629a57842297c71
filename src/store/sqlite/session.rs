//! A transaction whose statements arrive one by one, between which its caller may wait for something else.
//! It holds the writer until it ends.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::Instant,
};

use rusqlite::{Connection, Result};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    change_log::TriggerSwitch,
    database_file::DatabaseFile,
    reply::{Reply, receive},
    write_transaction::{self, WriteTransaction},
};
use crate::store::StoreError;

/// Statement of a session.
type Statement = Box<dyn FnOnce(&Connection, &mut TriggerSwitch) + Send>;

enum Command {
    Run(Statement),
    /// Runs a statement text without a savepoint of its own.
    Control(&'static str, oneshot::Sender<Reply<()>>),
    Commit(oneshot::Sender<Reply<()>>),
}

/// The writer's side of a session.
pub(super) struct Session {
    commands: mpsc::Receiver<Command>,
    began: oneshot::Sender<Reply<()>>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// The caller's side of a session. If it is dropped, the transaction is rolled back.
pub(super) struct SessionHandle(mpsc::Sender<Command>);

/// Returns both sides of a session, and the receiver of the result of its BEGIN.
pub(super) fn session(
    permit: Option<OwnedSemaphorePermit>,
) -> (Session, SessionHandle, oneshot::Receiver<Reply<()>>) {
    let ((sender, commands), (began, receiver)) = (mpsc::channel(), oneshot::channel());
    (Session { commands, began, _permit: permit }, SessionHandle(sender), receiver)
}

impl Session {
    /// Runs the commands in the transaction that the connection has begun, until the commit or until the
    /// caller is dropped. The caller of this method rolls back a transaction that is still open.
    pub fn run(self, connection: &Connection, triggers: &mut TriggerSwitch, file: &DatabaseFile) {
        if self.began.send((Ok(Ok(())), Instant::now())).is_err() {
            return;
        }
        while let Ok(command) = self.commands.recv() {
            match command {
                Command::Run(statement) => statement(connection, triggers),
                Command::Control(sql, sender) => {
                    let began = Instant::now();
                    let result = connection.execute_batch(sql).map_err(StoreError::from);
                    drop(sender.send((Ok(result), began)));
                }
                Command::Commit(sender) => {
                    let began = Instant::now();
                    let committed = write_transaction::commit(connection).map_err(StoreError::from);
                    let result = committed.and_then(|()| file.check_now());
                    drop(sender.send((Ok(result), began)));
                    return;
                }
            }
        }
    }

    /// Reports that the transaction cannot begin.
    pub fn fail(self, error: StoreError) {
        drop(self.began.send((Ok(Err(error)), Instant::now())));
    }
}

impl SessionHandle {
    /// Runs `work` in a savepoint and returns its result.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T> + Send + 'static,
    ) -> (Result<T, StoreError>, Instant) {
        let (sender, receiver) = oneshot::channel::<Reply<T>>();
        let statement: Statement = Box::new(move |connection, triggers| {
            let began = Instant::now();
            let run = || write_transaction::run_in_savepoint(connection, triggers, work);
            let result = catch_unwind(AssertUnwindSafe(run));
            drop(sender.send((result.map(|result| result.map_err(StoreError::from)), began)));
        });
        // If the session has ended, the statement and its sender are dropped, and `receive` returns an error.
        drop(self.0.send(Command::Run(statement)));
        receive(receiver).await
    }

    /// Runs a statement text without a savepoint of its own.
    pub async fn control(&self, sql: &'static str) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        drop(self.0.send(Command::Control(sql, sender)));
        receive(receiver).await.0
    }

    pub async fn commit(&self) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        drop(self.0.send(Command::Commit(sender)));
        receive(receiver).await.0
    }
}
