//! Reads from a replica, and the positions after writes.

use async_trait::async_trait;

use super::{Postgres, replica::Replica};
use crate::{
    domain::{ReadFrom, WalPosition},
    store::{HEALTH_CHECK_TIMEOUT, ReplicaStatus, Replication, ReplicationLag, StoreError},
};

#[async_trait]
impl Replication for Postgres {
    fn has_replica(&self) -> bool {
        self.replica.is_some()
    }

    async fn read_from(&self, after: Option<WalPosition>) -> ReadFrom {
        match &self.replica {
            None => ReadFrom::Primary,
            Some(replica) => replica.read_from(after).await,
        }
    }

    fn written_position(&self) -> Option<WalPosition> {
        self.replica.as_ref()?.written().get()
    }

    async fn update_written_position(&self) -> Result<(), StoreError> {
        match &self.replica {
            None => Ok(()),
            Some(_) => self.pool.acquire().await?.after_write(Ok(())).await,
        }
    }

    async fn watch_replica(&self) {
        if let Some(replica) = &self.replica {
            replica.watch().await;
        }
    }

    fn replica_status(&self) -> Option<ReplicaStatus> {
        self.replica.as_ref().map(Replica::status)
    }

    async fn replication_lag(&self) -> Option<ReplicationLag> {
        let lag = self.replica.as_ref()?.lag(&self.health);
        tokio::time::timeout(HEALTH_CHECK_TIMEOUT, lag).await.ok()?.ok()?
    }
}
