//! What a request spends on the database, also in tasks of its own and while its answer is being sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

tokio::task_local! {
    static SPENT: Spent;
}

/// The account of one request. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Spent(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    statements: AtomicU64,
    nanoseconds: AtomicU64,
    waiting_nanoseconds: AtomicU64,
}

impl Spent {
    /// Everything in this future goes on this account.
    pub async fn watch<F: Future>(self, work: F) -> F::Output {
        SPENT.scope(self, work).await
    }

    /// Everything in this call goes on this account.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        SPENT.sync_scope(self.clone(), work)
    }

    /// Statements of the database that have ended.
    pub fn statements(&self) -> u64 {
        self.0.statements.load(Relaxed)
    }

    /// Time in statements; those that run beside each other are added up.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.0.nanoseconds.load(Relaxed))
    }

    /// Time that statements waited for a connection.
    pub fn waiting(&self) -> Duration {
        Duration::from_nanos(self.0.waiting_nanoseconds.load(Relaxed))
    }
}

/// A statement of the request under way took so long.
pub fn statement(time: Duration) {
    // Without a request, as in the background, it is on nobody's account.
    let _ = SPENT.try_with(|Spent(account)| {
        account.statements.fetch_add(1, Relaxed);
        account.nanoseconds.fetch_add(nanoseconds(time), Relaxed);
    });
}

/// A statement of the request under way waited so long for a connection.
pub fn waiting(time: Duration) {
    let _ =
        SPENT.try_with(|Spent(account)| account.waiting_nanoseconds.fetch_add(nanoseconds(time), Relaxed));
}

/// The future on the account of the request under way, for a task of its own.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let spent = SPENT.try_with(Spent::clone).unwrap_or_default();
    spent.watch(work)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
