//! What the catalog asks of a store that has a replica.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{ReadFrom, WalPosition};

/// Reads from a replica. The defaults are those of a store without a replica.
#[async_trait]
pub trait Replication: Send + Sync {
    /// Returns whether reads may ask a replica.
    fn has_replica(&self) -> bool {
        false
    }

    /// Returns the server for a read that needs all changes up to a position. If the replica lacks some of them, waits
    /// for a short time.
    async fn read_from(&self, _after: Option<WalPosition>) -> ReadFrom {
        ReadFrom::Primary
    }

    /// Returns a position after all writes that this store has completed. Returns `None` without a replica, or before
    /// the first write.
    fn written_position(&self) -> Option<WalPosition> {
        None
    }

    /// Makes [`Replication::written_position`] a position after all writes, also those of other instances.
    async fn update_written_position(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Checks the replica periodically and when a read waits for it. Without a replica, returns at once, otherwise
    /// never.
    async fn watch_replica(&self) {}

    /// Returns the state of the replica, or `None` without a replica.
    fn replica_status(&self) -> Option<ReplicaStatus> {
        None
    }

    /// Returns what the replica has not replayed yet. Returns `None` if one of them is unavailable or there is no
    /// replica.
    async fn replication_lag(&self) -> Option<ReplicationLag> {
        None
    }
}

/// State of the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Whether the last check succeeded.
    pub is_available: bool,
    /// Number of reads that the replica has completed.
    pub replica_reads: u64,
    /// Number of reads that might have asked the replica, but asked the primary.
    pub primary_reads: u64,
}

/// Delay of the replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplicationLag {
    /// Bytes of the primary's log that the replica has not replayed.
    pub bytes: u64,
    /// Age of the last transaction that the replica has replayed; zero if it has replayed all.
    pub age: Duration,
}
