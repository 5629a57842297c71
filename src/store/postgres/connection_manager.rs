//! Opens and tests the connections of the pool.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use tokio::runtime::Handle;

use super::{
    connect,
    servers::{ConnectError, Servers},
};
use crate::{panics, store::PoolOptions};

/// Idle time after which a connection is tested before use, because a proxy may have closed it.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(10);
/// Timeout of this test.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Age at which a connection is replaced, which also frees the memory of its session.
const MAX_AGE: Duration = Duration::from_mins(30);

/// A pool without measurements.
pub(super) type Connections = Pool<ConnectionManager>;
/// A connection that returns to its pool when it is dropped.
pub(super) type PooledConnection = Object<ConnectionManager>;

/// Opens and tests connections.
pub(super) struct ConnectionManager {
    pub servers: Servers,
    pub options: PoolOptions,
    /// The runtime that opens a connection also drives its I/O. Connections opened by background work would
    /// otherwise depend on the background runtime.
    pub runtime: Handle,
}

impl Manager for ConnectionManager {
    type Type = PgConnection;
    type Error = ConnectError;

    async fn create(&self) -> Result<PgConnection, ConnectError> {
        let (servers, options) = (self.servers.clone(), self.options);
        let connect = self.runtime.spawn(async move { connect::connect(&servers, options).await });
        panics::resume_panic(connect.await).unwrap_or_else(|| Err(sqlx::Error::PoolClosed.into()))
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<ConnectError> {
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("too old"));
        }
        if metrics.last_used() > TEST_AFTER_IDLE {
            let test = tokio::time::timeout(TEST_TIMEOUT, connection.ping()).await;
            test.map_err(|_| RecycleError::message("no response"))?.map_err(ConnectError::from)?;
        }
        Ok(())
    }
}
