//! Opens connections, and waits for a server that is not available yet.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tracing::info;

use super::servers::{ConnectError, Servers};
use crate::store::{DatabaseUrl, OpenError, PoolOptions};

/// Timeout of one attempt to connect.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shortest and longest pause between attempts. Each pause is twice the previous one.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Longest timeout that PostgreSQL accepts, about 25 days.
pub(in crate::store) const MAX_TIMEOUT_MILLIS: u128 = i32::MAX as u128;

/// Opens a connection and sets its timeouts.
pub(super) async fn connect(servers: &Servers, options: PoolOptions) -> Result<PgConnection, ConnectError> {
    let mut connection = servers.connect().await?;
    let timeout = options.statement_timeout.as_millis().min(MAX_TIMEOUT_MILLIS);
    // Safeguard: no request should leave a transaction idle. If one does, the transaction must not keep its
    // locks.
    let set = format!("SET statement_timeout = {timeout}; SET idle_in_transaction_session_timeout = '10s'");
    connection.execute(AssertSqlSafe(set)).await?;
    Ok(connection)
}

/// Tries to connect to PostgreSQL, with increasing pauses, until an attempt succeeds or `wait` has elapsed.
pub(in crate::store) async fn wait_for_server(
    url: &DatabaseUrl,
    servers: &Servers,
    wait: Duration,
) -> Result<(), OpenError> {
    let start = Instant::now();
    let mut pause = BACKOFF.0;
    loop {
        let remaining = wait.saturating_sub(start.elapsed());
        let timeout = ATTEMPT_TIMEOUT.min(remaining.max(BACKOFF.0));
        let reason = match tokio::time::timeout(timeout, servers.connect()).await {
            Ok(Ok(connection)) => {
                // The connection was only a test, so an error on close does not matter.
                drop(connection.close().await);
                return Ok(());
            }
            Ok(Err(error)) if error.is_permanent() => {
                return Err(OpenError::Rejected(url.clone(), error.to_string()));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no response".to_owned(),
        };
        let remaining = wait.saturating_sub(start.elapsed());
        if remaining.is_zero() {
            return Err(OpenError::TimedOut(url.clone(), wait, reason));
        }
        info!(database = %url, reason, "waiting for the database, giving up in {} s", remaining.as_secs());
        tokio::time::sleep(pause.min(remaining)).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}
