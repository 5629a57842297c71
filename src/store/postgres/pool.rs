//! The connection pool.

use std::time::Instant;

use deadpool::managed::PoolError;
use sea_orm::sqlx::postgres::PgConnectOptions;
use tokio::runtime::Handle;

use super::{
    connection::Connection,
    connection_manager::{ConnectionManager, Connections},
};
use crate::store::{PoolOptions, PoolStatus, StoreError, observer::OptionalObserver};

/// The connection pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    connections: Connections,
    observer: OptionalObserver,
}

impl Pool {
    /// Creates a pool, which opens connections when they are needed, on the current runtime.
    pub fn new(
        server: PgConnectOptions,
        options: PoolOptions,
        observer: OptionalObserver,
    ) -> Result<Self, StoreError> {
        let manager = ConnectionManager { server, runtime: Handle::current() };
        let connections = Connections::builder(manager)
            .max_size(usize::try_from(options.connections).unwrap_or(usize::MAX))
            .wait_timeout(Some(options.acquire_timeout))
            .create_timeout(Some(options.acquire_timeout))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(StoreError::unavailable)?;
        Ok(Self { connections, observer })
    }

    /// Returns a connection.
    pub async fn acquire(&self) -> Result<Connection, StoreError> {
        let start = Instant::now();
        let connection = self.connections.get().await;
        self.observer.connection_acquired(start.elapsed());
        match connection {
            Ok(connection) => {
                Ok(Connection::new(connection, self.connections.clone(), self.observer.clone()))
            }
            Err(PoolError::Backend(error)) => Err(error.into()),
            Err(error) => Err(StoreError::unavailable(error)),
        }
    }

    pub fn status(&self) -> PoolStatus {
        let status = self.connections.status();
        let (size, idle) = (status.size as u64, status.available as u64);
        PoolStatus {
            used: size.saturating_sub(idle),
            idle,
            max: status.max_size as u64,
            pending: status.waiting as u64,
        }
    }

    pub fn close(&self) {
        self.connections.close();
    }
}
