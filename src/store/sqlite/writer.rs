//! The writer: one thread that owns the only write connection. It carries out the work that waits in its
//! queue in one transaction (group commit), so that many writes share one flush of the disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use rusqlite::{Connection, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    change_log::TriggerSwitch,
    connection::{self, Access},
    database_file::DatabaseFile,
    reply::receive,
    session::{self, Session, SessionHandle},
    work::{self, End, Work},
    write_transaction::{self, WriteTransaction},
};
use crate::store::{StoreError, WriteState, pending::PendingGuard};

/// Maximum number of units of work in one transaction.
const MAX_GROUP: usize = 64;
/// Maximum number of jobs in the queue.
const MAX_QUEUED: usize = 64;

/// Handle to the writer thread. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
    /// Number of jobs that wait or run.
    jobs: Arc<AtomicU64>,
    /// Permits of jobs in the queue. Other callers wait before it, and leave nothing if they are dropped.
    permits: Arc<Semaphore>,
    write_state: WriteState,
}

pub(super) enum Job {
    /// Work that may share a transaction with other work.
    Work(Box<dyn Work>),
    /// A transaction of several statements, which the caller sends one by one.
    Session(Session),
    /// Checkpoint and end of the thread.
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the thread. The file must have the newest schema when the first work is sent.
    pub fn start(file: DatabaseFile) -> Self {
        let (queue, jobs) = mpsc::channel();
        let pending = Arc::<AtomicU64>::default();
        let mut state = WriterThread { file, jobs, pending: pending.clone(), open: None };
        #[expect(clippy::expect_used, reason = "the server cannot run without its threads")]
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || state.run())
            .expect("failed to start the writer thread");
        let (permits, write_state) = (Arc::new(Semaphore::new(MAX_QUEUED)), WriteState::default());
        Self { queue, jobs: pending, permits, write_state }
    }

    pub fn write_state(&self) -> &WriteState {
        &self.write_state
    }

    /// Returns the number of jobs that wait or run.
    pub fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Runs `work` on the writer thread, and returns its result once it is on disk. Work that has begun is
    /// completed even if the caller is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T> + Send + 'static,
    ) -> (Result<T, StoreError>, Instant) {
        let permit = self.permit().await;
        let work = move |transaction: &mut WriteTransaction<'_>| {
            let _permit = permit;
            work(transaction)
        };
        let (sender, receiver) = oneshot::channel();
        self.send(Job::Work(work::work(work, sender)));
        receive(receiver, &self.write_state).await
    }

    /// Begins a transaction whose statements arrive one by one.
    pub async fn begin(&self) -> (Result<SessionHandle, StoreError>, Instant) {
        let (session, handle, began) = session::session(self.permit().await, self.write_state.clone());
        self.send(Job::Session(session));
        let (result, began) = receive(began, &self.write_state).await;
        (result.map(|()| handle), began)
    }

    /// Waits for a permit. Meanwhile, the caller counts as a job that waits.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let _pending = PendingGuard::new(&self.jobs);
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Sends a job. If the writer has been closed, the job is dropped, and its caller gets an error.
    fn send(&self, job: Job) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
        if self.queue.send(job).is_err() {
            self.jobs.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Completes the waiting jobs, checkpoints and closes the connection, and ends the thread.
    pub async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.send(Job::Close(sender));
        let _ = closed.await;
    }
}

/// State of the writer thread.
struct WriterThread {
    file: DatabaseFile,
    jobs: mpsc::Receiver<Job>,
    pending: Arc<AtomicU64>,
    /// The connection, which is opened on first use and again after a failure.
    open: Option<(Connection, TriggerSwitch)>,
}

impl WriterThread {
    fn run(&mut self) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.jobs.recv().ok()) {
            match job {
                Job::Work(work) => {
                    let mut group = vec![work];
                    while group.len() < MAX_GROUP {
                        match self.jobs.try_recv() {
                            Ok(Job::Work(work)) => group.push(work),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    let count = group.len() as u64;
                    self.run_group(group);
                    self.pending.fetch_sub(count, Ordering::Relaxed);
                }
                Job::Session(session) => {
                    self.run_session(session);
                    self.pending.fetch_sub(1, Ordering::Relaxed);
                }
                Job::Close(closed) => {
                    self.close();
                    let _ = closed.send(());
                    return;
                }
            }
        }
        self.close();
    }

    /// Runs the work in one transaction, and sends the results after the commit.
    fn run_group(&mut self, mut group: Vec<Box<dyn Work>>) {
        group.retain(|work| work.is_awaited());
        if group.is_empty() {
            return;
        }
        let file = self.file.clone();
        let (connection, triggers) = match self.begin() {
            Ok(open) => open,
            Err(error) => return group.into_iter().for_each(|work| work.fail(error.for_other_work())),
        };
        let (alone, mut finished, mut group) = (group.len() == 1, Vec::new(), group.into_iter());
        let mut is_broken = false;
        for work in group.by_ref() {
            let work = work.run(connection, triggers, alone);
            // SQLite itself may have rolled the whole transaction back, for example if the disk is full. The
            // next work would then run in a transaction of its own.
            is_broken = work.end() == End::Broken || connection.is_autocommit();
            finished.push(work);
            if is_broken {
                break;
            }
        }
        let has_effect = finished.iter().any(|work| work.end() == End::Succeeded);
        let rolled_back = || StoreError::unavailable("the transaction was rolled back");
        let ended = if is_broken || !has_effect {
            let _ = write_transaction::roll_back(connection);
            Err(rolled_back())
        } else {
            write_transaction::commit(connection).map_err(StoreError::from).and_then(|()| file.check_now())
        };
        if is_broken || !connection.is_autocommit() {
            self.open = None;
        }
        for work in finished {
            work.send(ended.as_ref().err());
        }
        for work in group {
            work.fail(rolled_back());
        }
    }

    /// Runs a transaction whose statements arrive one by one.
    fn run_session(&mut self, session: Session) {
        let file = self.file.clone();
        match self.begin() {
            Ok((connection, triggers)) => {
                session.run(connection, triggers, &file);
                if !connection.is_autocommit() && write_transaction::roll_back(connection).is_err() {
                    self.open = None;
                }
            }
            Err(error) => session.fail(error),
        }
    }

    /// Opens the connection if necessary, and begins a transaction.
    fn begin(&mut self) -> Result<(&Connection, &mut TriggerSwitch), StoreError> {
        self.file.check_now()?;
        let opened = match self.open.take() {
            Some(open) => open,
            None => (connection::open(self.file.path(), Access::Write, false)?, TriggerSwitch::default()),
        };
        if let Err(error) = write_transaction::begin(&opened.0) {
            // A connection that has failed is closed, so that the next job opens another.
            if write_transaction::is_usable_after(&error) {
                self.open = Some(opened);
            }
            return Err(error.into());
        }
        let (connection, triggers) = self.open.insert(opened);
        Ok((connection, triggers))
    }

    fn close(&mut self) {
        let connection = self.open.take().map(|(connection, _)| connection);
        // The log must be copied into the file even if nothing was written since the start.
        let connection =
            connection.map_or_else(|| connection::open(self.file.path(), Access::Write, false), Ok);
        if let Err(error) = connection.and_then(connection::close) {
            tracing::warn!(%error, "the database was not closed cleanly; its changes are still in the -wal file");
        }
    }
}
