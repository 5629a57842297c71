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
use crate::store::{StoreError, WriteState};

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
pub(super) struct SessionHandle {
    commands: mpsc::Sender<Command>,
    write_state: WriteState,
}

/// Returns both sides of a session, and the receiver of the result of its BEGIN.
pub(super) fn session(
    permit: Option<OwnedSemaphorePermit>,
    write_state: WriteState,
) -> (Session, SessionHandle, oneshot::Receiver<Reply<()>>) {
    let ((sender, commands), (began, receiver)) = (mpsc::channel(), oneshot::channel());
    let handle = SessionHandle { commands: sender, write_state };
    (Session { commands, began, _permit: permit }, handle, receiver)
}

impl Session {
    /// Runs the commands in the transaction that the connection has begun, until it ends or the caller is
    /// dropped. The caller of this method rolls back a transaction that is still open.
    pub fn run(self, connection: &Connection, triggers: &mut TriggerSwitch, file: &DatabaseFile) {
        if self.began.send((Ok(Ok(())), Instant::now())).is_err() {
            return;
        }
        while let Ok(command) = self.commands.recv() {
            match command {
                Command::Run(statement) => statement(connection, triggers),
                Command::Control(sql, sender) => reply(sender, || Ok(connection.execute_batch(sql)?)),
                Command::Commit(sender) => {
                    return reply(sender, || {
                        write_transaction::commit(connection)?;
                        file.check_now()
                    });
                }
            }
            // The caller or SQLite itself may have rolled the transaction back. A further statement would run,
            // and be committed, in a transaction of its own.
            if connection.is_autocommit() {
                return;
            }
        }
    }

    /// Reports that the transaction cannot begin.
    pub fn fail(self, error: StoreError) {
        drop(self.began.send((Ok(Err(error)), Instant::now())));
    }
}

fn reply(sender: oneshot::Sender<Reply<()>>, run: impl FnOnce() -> Result<(), StoreError>) {
    let began = Instant::now();
    drop(sender.send((Ok(run()), began)));
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
        drop(self.commands.send(Command::Run(statement)));
        receive(receiver, &self.write_state).await
    }

    /// Runs a statement text without a savepoint of its own.
    pub async fn control(&self, sql: &'static str) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        drop(self.commands.send(Command::Control(sql, sender)));
        receive(receiver, &self.write_state).await.0
    }

    pub async fn commit(&self) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        drop(self.commands.send(Command::Commit(sender)));
        receive(receiver, &self.write_state).await.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;

    /// A trigger of another program can also roll the transaction back.
    #[tokio::test]
    async fn a_statement_after_the_end_of_its_transaction_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE item (id integer); CREATE TABLE forbidden (id integer)").unwrap();
        let trigger =
            "CREATE TRIGGER t BEFORE INSERT ON forbidden BEGIN SELECT RAISE(ROLLBACK, 'forbidden'); END";
        other.execute_batch(trigger).unwrap();
        let writer = Writer::start(DatabaseFile::new(&path).unwrap());
        let insert = async |session: &SessionHandle, sql: &'static str| {
            session.run(move |transaction| transaction.connection.execute(sql, [])).await.0
        };

        for rolled_back_by_trigger in [false, true] {
            let session = writer.begin().await.0.unwrap();
            insert(&session, "INSERT INTO item VALUES (1)").await.unwrap();
            if rolled_back_by_trigger {
                insert(&session, "INSERT INTO forbidden VALUES (1)").await.unwrap_err();
            } else {
                session.control("ROLLBACK").await.unwrap();
            }
            insert(&session, "INSERT INTO item VALUES (2)").await.unwrap_err();
            session.commit().await.unwrap_err();
        }
        let count: i64 = other.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }
}
