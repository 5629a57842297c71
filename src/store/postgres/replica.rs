//! A replica of the database, which serves reads.
//!
//! One task checks the replica ([`Replica::watch`]). Its connection and the pool lead to the same server, so that the
//! position that the task reads is that of the pool's statements. While the replica is unavailable, no read asks it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{
    Statement,
    sqlx::{Executor as _, PgConnection, Row, postgres::PgRow},
};
use tokio::{
    sync::{Notify, watch},
    time::{error::Elapsed, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    BACKEND, connect,
    pool::Pool,
    servers::Servers,
    wal::{self, WrittenPosition},
};
use crate::{
    domain::{ReadFrom, WalPosition},
    store::{PoolOptions, ReplicaStatus, ReplicationLag, StoreError, observer::OptionalObserver},
};

/// Time between two checks while no read waits.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Shortest time between two checks while reads wait.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Timeout of a check, and so the time after which reads leave a frozen replica, together with the interval.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of an attempt to connect to the replica.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Selects the position up to which the server has all changes, and the age in seconds of the last transaction that it has
/// replayed. A server that is not in recovery is a primary.
const SELECT_REPLAYED: &str = "
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text,
    coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float8";

/// Selects the position up to which the primary can have sent its changes.
const SELECT_FLUSHED: &str = "SELECT pg_current_wal_flush_lsn()::text";

/// A replica. Cheap to clone.
#[derive(Clone)]
pub(super) struct Replica(Arc<Inner>);

struct Inner {
    servers: Servers,
    options: PoolOptions,
    observer: OptionalObserver,
    /// Maximum time that a read waits for a position.
    wait: Duration,
    written: WrittenPosition,
    /// The server in use, or `None` while the replica is unavailable.
    current: watch::Sender<Option<Current>>,
    /// Notified if a read needs a check.
    check: Notify,
    replica_reads: AtomicU64,
    primary_reads: AtomicU64,
}

/// The server in use.
#[derive(Clone)]
struct Current {
    pool: Pool,
    /// Position up to which the server has all changes.
    replayed: WalPosition,
}

impl Replica {
    pub fn new(servers: Servers, options: PoolOptions, observer: OptionalObserver, wait: Duration) -> Self {
        Self(Arc::new(Inner {
            servers,
            options,
            observer,
            wait,
            written: WrittenPosition::default(),
            current: watch::Sender::new(None),
            check: Notify::new(),
            replica_reads: AtomicU64::new(0),
            primary_reads: AtomicU64::new(0),
        }))
    }

    /// Returns the position after the writes, which the connections to the primary must record.
    pub fn written(&self) -> &WrittenPosition {
        &self.0.written
    }

    /// See [`Replication::read_from`](crate::store::Replication::read_from).
    pub async fn read_from(&self, after: Option<WalPosition>) -> ReadFrom {
        let Inner { current, check, wait, .. } = &*self.0;
        let mut current = current.subscribe();
        let is_reached = async {
            loop {
                match &*current.borrow_and_update() {
                    None => return false,
                    Some(Current { replayed, .. }) if after.is_none_or(|after| after <= *replayed) => {
                        return true;
                    }
                    Some(_) if after == Some(WalPosition::MAX) => return false,
                    Some(_) => {}
                }
                check.notify_one();
                if current.changed().await.is_err() {
                    return false;
                }
            }
        };
        match timeout(*wait, is_reached).await {
            Ok(true) => ReadFrom::Replica,
            Ok(false) | Err(_) => ReadFrom::PrimaryOrReplica,
        }
    }

    /// Runs a read and returns its rows.
    pub async fn query(
        &self,
        primary: &Pool,
        from: ReadFrom,
        statement: Statement,
    ) -> Result<Vec<PgRow>, StoreError> {
        if from == ReadFrom::Replica
            && let Some(rows) = self.try_query(statement.clone()).await
        {
            return Ok(rows);
        }
        self.0.primary_reads.fetch_add(1, Relaxed);
        let substitute = (from == ReadFrom::PrimaryOrReplica).then(|| statement.clone());
        let result = async { primary.acquire().await?.query(statement).await }.await;
        if let (Err(StoreError::Unavailable(_)), Some(statement)) = (&result, substitute)
            && let Some(rows) = self.try_query(statement).await
        {
            return Ok(rows);
        }
        result
    }

    /// Runs a read on the replica. Returns `None` if the replica is or becomes unavailable, or reports an error.
    async fn try_query(&self, statement: Statement) -> Option<Vec<PgRow>> {
        let mut current = self.0.current.subscribe();
        let pool = current.borrow_and_update().as_ref()?.pool.clone();
        let query = async { pool.acquire().await?.query(statement).await };
        let result: Result<_, StoreError> = tokio::select! {
            result = query => result,
            _ = current.wait_for(Option::is_none) => return None,
        };
        match result {
            Ok(rows) => {
                self.0.replica_reads.fetch_add(1, Relaxed);
                Some(rows)
            }
            Err(error) => {
                debug!(%error, "the replica failed, the read asks the primary");
                self.0.check.notify_one();
                None
            }
        }
    }

    /// Checks the replica until the end of the process.
    pub async fn watch(&self) {
        let mut newest = WalPosition::new(0);
        let mut last_problem = None;
        loop {
            let Err(error) = self.watch_server(&mut newest).await;
            let problem = error.to_string();
            let was_available = self.0.current.send_replace(None).is_some();
            if was_available || last_problem.as_ref() != Some(&problem) {
                warn!(replica = %self.0.servers, problem, "the replica is unavailable, reads ask the primary");
            }
            last_problem = Some(problem);
            sleep(CHECK_INTERVAL).await;
        }
    }

    /// Checks one server until it fails. `newest` is the newest position that reads have seen. A server that has not
    /// reached it is not used, so that no read returns an older state than an earlier one.
    async fn watch_server(&self, newest: &mut WalPosition) -> Result<Infallible, StoreError> {
        let Inner { servers, options, observer, current, check, .. } = &*self.0;
        let server = timeout(CONNECT_TIMEOUT, servers.select()).await.map_err(no_response)??;
        let connection = timeout(CONNECT_TIMEOUT, connect::connect(&server, *options));
        let mut connection = connection.await.map_err(no_response)??;
        let pool = Pool::new(server.clone(), *options, observer.clone(), None)?;
        loop {
            let replayed = timeout(CHECK_TIMEOUT, replayed(&mut connection)).await.map_err(no_response)??;
            if replayed >= *newest {
                *newest = replayed;
                if current.send_replace(Some(Current { pool: pool.clone(), replayed })).is_none() {
                    info!(replica = %server, "reads ask the replica");
                }
            }
            tokio::select! {
                () = sleep(CHECK_INTERVAL) => {}
                () = async { sleep(MIN_CHECK_INTERVAL).await; check.notified().await } => {}
            }
        }
    }

    pub fn status(&self) -> ReplicaStatus {
        let Inner { current, replica_reads, primary_reads, .. } = &*self.0;
        ReplicaStatus {
            is_available: current.borrow().is_some(),
            replica_reads: replica_reads.load(Relaxed),
            primary_reads: primary_reads.load(Relaxed),
        }
    }

    /// See [`Replication::replication_lag`](crate::store::Replication::replication_lag).
    pub async fn lag(&self, primary: &Pool) -> Result<Option<ReplicationLag>, StoreError> {
        let Some(Current { pool, .. }) = self.0.current.borrow().clone() else {
            return Ok(None);
        };
        let select = |sql| Statement::from_string(BACKEND, sql);
        let flushed = primary.acquire().await?.query(select(SELECT_FLUSHED)).await?;
        // The primary is asked first. Otherwise, changes between the two statements would count.
        let replayed = pool.acquire().await?.query(select(SELECT_REPLAYED)).await?;
        let (Some(flushed), Some(row)) = (flushed.first(), replayed.first()) else {
            return Ok(None);
        };
        let bytes = wal::position(flushed)?.bytes().saturating_sub(wal::position(row)?.bytes());
        let age = Duration::try_from_secs_f64(row.try_get(1)?).unwrap_or_default();
        Ok(Some(ReplicationLag { bytes, age: if bytes == 0 { Duration::ZERO } else { age } }))
    }
}

/// Returns the position up to which the server has all changes.
async fn replayed(connection: &mut PgConnection) -> Result<WalPosition, StoreError> {
    Ok(wal::position(&connection.fetch_one(SELECT_REPLAYED).await?)?)
}

fn no_response(_: Elapsed) -> StoreError {
    StoreError::unavailable("no response")
}
