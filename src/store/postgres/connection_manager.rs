//! Opens and tests the connections of the pool.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use sea_orm::sqlx::{self, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::runtime::Handle;

use super::connect;
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
    pub server: PgConnectOptions,
    pub options: PoolOptions,
    /// The runtime that opens a connection also drives its I/O. Connections opened by background work would
    /// otherwise depend on the background runtime.
    pub runtime: Handle,
}

impl Manager for ConnectionManager {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        let (server, options) = (self.server.clone(), self.options);
        let connect = self.runtime.spawn(async move { connect::connect(&server, options).await });
        panics::resume_panic(connect.await).unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("too old"));
        }
        if metrics.last_used() > TEST_AFTER_IDLE {
            let test = tokio::time::timeout(TEST_TIMEOUT, connection.ping()).await;
            test.map_err(|_| RecycleError::message("no response"))??;
        }
        Ok(())
    }
}
